// A connection of either library, as an application hands it to its framework.

const { createClient } = require('redis');
const Redis = require('ioredis');

exports.connect = async function connect(library, port, protocol) {
    const version = protocol === 'default' ? undefined : Number(protocol);
    const connection =
        library === 'ioredis'
            ? new Redis({ port, lazyConnect: true, ...(version && { protocol: version }) })
            : createClient({ socket: { port }, ...(version && { RESP: version }) });
    // A lost connection is an event before it is a reconnection.
    connection.on('error', (error) => console.log(`${error}`));
    await connection.connect();
    return connection;
};
