// One application server: Socket.IO with an adapter over the broker. It does what its parent sends: the text of a
// function, which is called with the server. Its arguments are those of socket_io.cjs.

const { Server } = require('socket.io');
const { createAdapter, createShardedAdapter } = require('@socket.io/redis-adapter');
const { connect } = require('./broker.cjs');

const [adapter, library, port, protocol] = process.argv.slice(2);
// Far more than an answer takes, in milliseconds.
const requestsTimeout = 50_000;

async function start() {
    const [pub, sub] = [await connect(library, port, protocol), await connect(library, port, protocol)];
    const io = new Server({
        transports: ['websocket'],
        adapter: { classic: createAdapter, sharded: createShardedAdapter }[adapter](pub, sub, { requestsTimeout }),
    });
    for (const namespace of [io, io.of('/admin')]) {
        namespace.on('connection', (socket) => {
            socket.data.name = socket.handshake.auth.name;
            socket.join(socket.handshake.auth.rooms);
        });
    }
    io.listen(0);
    process.on('message', async ({ id, text, values }) => {
        try {
            process.send({ id, result: await (0, eval)(`(${text})`)(io, ...values) });
        } catch (error) {
            process.send({ id, error });
        }
    });
    process.send({ id: 'ready', result: io.httpServer.address().port });
}

process.on('disconnect', () => process.exit(0));
start();
