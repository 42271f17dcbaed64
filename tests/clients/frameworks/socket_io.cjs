// Two Socket.IO servers, each a process, and clients of both.
// Usage: socket_io.cjs (classic|sharded) (ioredis|node-redis) PORT (default|2|3)

const assert = require('node:assert');
const { fork } = require('node:child_process');
const path = require('node:path');
const { io: connectTo } = require('socket.io-client');
const { Inbox, eventually, run, within } = require('../support.cjs');
const { connect, killSubscribers } = require('./broker.cjs');

const [adapter, library, port, protocol] = process.argv.slice(2);

// An application server, in which functions are run: they see its `io` and nothing from here but their arguments.
class ApplicationServer {
    constructor() {
        this.calls = new Map();
        this.count = 0;
        this.process = fork(path.join(__dirname, 'socket_io_server.cjs'), [adapter, library, port, protocol], {
            serialization: 'advanced',
        });
        this.process.on('message', ({ id, result, error }) => {
            const { resolve, reject } = this.calls.get(id);
            if (error) reject(error);
            else resolve(result);
        });
        this.process.on('exit', (code) => {
            for (const { reject } of this.calls.values()) reject(new Error(`the server has ended: ${code}`));
        });
    }

    answer(id, what) {
        return within(what, new Promise((resolve, reject) => this.calls.set(id, { resolve, reject })));
    }

    async start() {
        this.port = await this.answer('ready', 'a server starts');
        return this;
    }

    run(action, ...values) {
        const [id, text] = [this.count++, action.toString()];
        this.process.send({ id, text, values });
        return this.answer(id, text);
    }

    end() {
        this.process.kill();
    }
}

// A user's browser. What events bring is in its inbox.
async function browse(server, name, rooms, namespace = '/') {
    const socket = connectTo(`http://localhost:${server.port}${namespace}`, {
        transports: ['websocket'],
        reconnection: false,
        forceNew: true,
        auth: { name, rooms },
    });
    const client = Object.assign(new Inbox(), { name, socket });
    const connected = new Promise((resolve, reject) => {
        socket.on('connect', resolve);
        socket.on('connect_error', reject);
    });
    socket.on('question', (number, reply) => reply(`${name} says ${number}`));
    socket.onAny((event, ...values) => event === 'question' || client.put(event, ...values));
    client.left = new Promise((resolve) => socket.on('disconnect', resolve));
    await within(`${name} connects`, connected);
    return client;
}

let broker, first, second, clients, ann, bob, cat, dan;

// How many listen to a channel of the adapter.
async function listeners(channel) {
    const [, count] = await broker.pubsub(adapter === 'classic' ? 'NUMSUB' : 'SHARDNUMSUB', channel);
    return count;
}

// The sharded adapter has a channel for each room, to which a server has not yet subscribed when a client has joined.
async function roomIsOn(servers, room) {
    if (adapter === 'classic') return;
    await eventually(`${servers} servers listen to ${room}`, async () => {
        return (await listeners(`socket.io#/#${room}#`)) === servers;
    });
}

async function serversSeeEachOther() {
    broker = await connect('ioredis', port, 'default');
    [first, second] = await Promise.all([new ApplicationServer().start(), new ApplicationServer().start()]);
    for (const namespace of ['/', '/admin']) {
        const channel = adapter === 'classic' ? `socket.io-request#${namespace}#` : `socket.io#${namespace}#`;
        await eventually('both servers listen', async () => (await listeners(channel)) === 2);
    }
    assert.strictEqual(await first.run((io) => io.of('/').adapter.serverCount()), 2);
    clients = await Promise.all([
        browse(first, 'ann', ['red']),
        browse(first, 'bob', ['blue']),
        browse(second, 'cat', ['red']),
        browse(second, 'dan', ['red', 'blue']),
    ]);
    [ann, bob, cat, dan] = clients;
    await roomIsOn(2, 'red');
    await roomIsOn(2, 'blue');
}

// What a server sends is in order, so that nothing else has come to who has got its last word.
async function onlyTheseGet(server, receivers, ...event) {
    await server.run((io) => void io.emit('last word'));
    for (const client of clients) {
        if (receivers.includes(client)) await client.expect(...event);
        await client.expect('last word');
        client.assertEmpty();
    }
}

async function broadcasts() {
    for (const server of [first, second]) {
        await server.run((io) => void io.emit('news', 'to all', { of: ['you'] }));
        await onlyTheseGet(server, clients, 'news', 'to all', { of: ['you'] });
    }
}

async function broadcastsFromOneSocket() {
    await first.run((io, ann) => void io.sockets.sockets.get(ann).broadcast.emit('hello', 'from ann'), ann.socket.id);
    await onlyTheseGet(first, [bob, cat, dan], 'hello', 'from ann');
}

async function anyBytes() {
    const everything = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await first.run((io, bytes) => void io.emit('bytes', Buffer.from(bytes)), everything);
    await onlyTheseGet(first, clients, 'bytes', everything);
}

async function rooms() {
    for (const server of [first, second]) {
        await server.run((io) => void io.to('red').emit('paint', 'red'));
        await onlyTheseGet(server, [ann, cat, dan], 'paint', 'red');
        await server.run((io) => void io.to('blue').except('red').emit('paint', 'only blue'));
        await onlyTheseGet(server, [bob], 'paint', 'only blue');
        // In both rooms and told once.
        await server.run((io) => void io.to('red').to('blue').emit('paint', 'any'));
        await onlyTheseGet(server, clients, 'paint', 'any');
        await server.run((io, cat) => void io.to(cat).emit('paint', 'for cat'), cat.socket.id);
        await onlyTheseGet(server, [cat], 'paint', 'for cat');
        await server.run((io) => void io.to('nobody is here').emit('paint', 'nothing'));
        await onlyTheseGet(server, []);
    }
}

async function namespaces() {
    const [eve, fay] = [await browse(first, 'eve', [], '/admin'), await browse(second, 'fay', [], '/admin')];
    await first.run((io) => void io.of('/admin').emit('news', 'for admins'));
    await eve.expect('news', 'for admins');
    await fay.expect('news', 'for admins');
    await onlyTheseGet(first, []);
    for (const { socket } of [eve, fay]) socket.disconnect();
}

async function messagesInOrder() {
    await first.run((io) => {
        for (let number = 0; number < 1000; number++) io.to('red').emit('count', number);
    });
    for (const client of [ann, cat, dan]) {
        for (let number = 0; number < 1000; number++) await client.expect('count', number);
    }
    await onlyTheseGet(first, []);
}

async function broadcastsWithAcknowledgements() {
    for (const server of [first, second]) {
        const all = await server.run((io) => io.timeout(50_000).emitWithAck('question', 1));
        assert.deepStrictEqual(all.sort(), ['ann says 1', 'bob says 1', 'cat says 1', 'dan says 1']);
        const red = await server.run((io) => io.timeout(50_000).to('red').emitWithAck('question', 2));
        assert.deepStrictEqual(red.sort(), ['ann says 2', 'cat says 2', 'dan says 2']);
    }
}

// Name, id and rooms of the sockets that a server finds on all servers, in a room or anywhere.
function fetched(server, room) {
    return server.run(async (io, room) => {
        const sockets = await (room ? io.in(room) : io).timeout(50_000).fetchSockets();
        return sockets
            .map(({ id, rooms, data }) => [data.name, id, [...rooms].filter((room) => room !== id).sort()])
            .sort();
    }, room);
}

async function fetchesSockets() {
    const found = (client, ...rooms) => [client.name, client.socket.id, rooms];
    for (const server of [first, second]) {
        assert.deepStrictEqual(await fetched(server), [
            found(ann, 'red'),
            found(bob, 'blue'),
            found(cat, 'red'),
            found(dan, 'blue', 'red'),
        ]);
        assert.deepStrictEqual(await fetched(server, 'blue'), [found(bob, 'blue'), found(dan, 'blue', 'red')]);
        assert.deepStrictEqual(await fetched(server, 'nobody is here'), []);
    }
}

// The sharded adapter does not offer it.
async function listsAllRooms() {
    if (adapter === 'sharded') return;
    const expected = ['blue', 'red', ...clients.map(({ socket }) => socket.id)].sort();
    for (const server of [first, second]) {
        const rooms = await server.run(async (io) => [...(await io.of('/').adapter.allRooms())].sort());
        assert.deepStrictEqual(rooms, expected);
    }
}

async function emitsToServers() {
    for (const [server, other] of [
        [first, second],
        [second, first],
    ]) {
        await other.run((io) => {
            globalThis.heard = new Promise((resolve) => io.once('note', (...values) => resolve(values)));
            io.once('sum', (left, right, reply) => reply(left + right));
        });
        await server.run((io) => void io.serverSideEmit('note', 'to you', 7));
        assert.deepStrictEqual(await other.run(() => globalThis.heard), ['to you', 7]);
        assert.deepStrictEqual(await server.run((io) => io.serverSideEmitWithAck('sum', 3, 4)), [7]);
    }
}

async function movesSocketsOfAllServers() {
    const names = async (room) => (await fetched(first, room)).map(([name]) => name);
    await first.run((io) => void io.in('blue').socketsJoin(['green', 'yellow']));
    await eventually('all have joined', async () => (await names('green')).join() === 'bob,dan');
    await roomIsOn(2, 'green');
    await second.run((io) => void io.to('green').emit('paint', 'green'));
    await onlyTheseGet(second, [bob, dan], 'paint', 'green');
    await first.run((io) => void io.in('green').socketsLeave('green'));
    await eventually('all have left', async () => (await names('green')).length === 0);
    await roomIsOn(0, 'green');
    await second.run((io) => void io.to('green').emit('paint', 'green'));
    await onlyTheseGet(second, []);
    assert.deepStrictEqual(await names('yellow'), ['bob', 'dan']);
}

async function recoversWhenKilled() {
    assert.strictEqual(await killSubscribers(broker), 2);
    await broadcasts();
    await first.run((io) => void io.to('red').emit('paint', 'red'));
    await onlyTheseGet(first, [ann, cat, dan], 'paint', 'red');
}

async function disconnectsSocketsOfAllServers() {
    await second.run((io) => void io.in('red').disconnectSockets());
    for (const client of [ann, cat, dan]) {
        assert.strictEqual(await within(`${client.name} is told`, client.left), 'io server disconnect');
    }
    assert.deepStrictEqual((await fetched(second)).map(([name]) => name), ['bob']);
    assert.ok(bob.socket.connected);
}

async function aServerThatEndsIsNotAwaited() {
    second.end();
    await eventually('it is gone', async () => (await first.run((io) => io.of('/').adapter.serverCount())) === 1);
    assert.deepStrictEqual((await fetched(first)).map(([name]) => name), ['bob']);
    assert.deepStrictEqual(await first.run((io) => io.serverSideEmitWithAck('sum', 3, 4)), []);
}

run([
    serversSeeEachOther,
    broadcasts,
    broadcastsFromOneSocket,
    anyBytes,
    rooms,
    namespaces,
    messagesInOrder,
    broadcastsWithAcknowledgements,
    fetchesSockets,
    listsAllRooms,
    emitsToServers,
    movesSocketsOfAllServers,
    recoversWhenKilled,
    disconnectsSocketsOfAllServers,
    aServerThatEndsIsNotAwaited,
]);
