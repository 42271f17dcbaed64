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
    const before = await subscriptions(broker);
    const subscribers = [...before.keys()].filter((id) => /[1-9]/.test(before.get(id)));
    const killed = await broker.client('KILL', 'TYPE', 'pubsub');
    await eventually('all have subscribed again', async () => {
        const now = await subscriptions(broker);
        const counts = (connections) => [...connections.values()].sort().join();
        return !subscribers.some((id) => now.has(id)) && counts(now) === counts(before);
    });
    return killed;
};

// How many subscriptions of each kind every connection has, by its id.
async function subscriptions(broker) {
    const lines = (await broker.client('LIST')).trim().split('\n');
    return new Map(lines.map((line) => [line.match(/^id=\d+/)[0], line.match(/ sub=\d+ psub=\d+ ssub=\d+ /)[0]]));
}
