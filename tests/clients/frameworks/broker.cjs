// Connections to the broker, and how it ends them.

const { createClient } = require('redis');
const Redis = require('ioredis');

const { eventually } = require('../support.cjs');

// A connection of either library, as an application hands it to its framework.
exports.connect = async function connect(library, port, protocol) {
    const version = protocol === 'default' ? undefined : Number(protocol);
    const connection =
        library === 'ioredis'
            ? new Redis({ port: Number(port), lazyConnect: true, ...(version && { protocol: version }) })
            : createClient({ socket: { port: Number(port) }, ...(version && { RESP: version }) });
    // A lost connection is an event before it is a reconnection.
    connection.on('error', (error) => console.log(`${error}`));
    await connection.connect();
    return connection;
};

// Kills all connections that have subscriptions, and waits until as many others have subscribed to as much. How many.
exports.killSubscribers = async function killSubscribers(broker) {
    const before = await subscribers(broker);
    const killed = await broker.client('KILL', 'TYPE', 'pubsub');
    await eventually('all have subscribed again', async () => {
        const clients = await broker.client('LIST');
        const gone = before.every(({ id }) => !clients.includes(`${id} `));
        const counts = (list) => list.map(({ counts }) => counts).sort();
        return gone && counts(await subscribers(broker)).join() === counts(before).join();
    });
    return killed;
};

// The connections that have subscriptions, and how many of each kind.
async function subscribers(broker) {
    const lines = (await broker.client('LIST', 'TYPE', 'pubsub')).split('\n').filter((line) => line !== '');
    return lines.map((line) => {
        return { id: line.match(/^id=\d+/)[0], counts: line.match(/ sub=\d+ psub=\d+ ssub=\d+ /)[0] };
    });
}
