// How the checks use node-redis, of any version.

const KINDS = {
    channel: { subscribe: 'subscribe', unsubscribe: 'unsubscribe' },
    pattern: { subscribe: 'pSubscribe', unsubscribe: 'pUnsubscribe' },
    shard: { subscribe: 'sSubscribe', unsubscribe: 'sUnsubscribe' },
};

exports.speaks = (library, protocol) => protocol ?? (library === 'redis6' ? 3 : 2);

exports.hasMaps = (library, protocol) => exports.speaks(library, protocol) === 3;

exports.connect = async (library, port, protocol, { name, db } = {}) => {
    const { createClient } = require(library);
    const client = createClient({ socket: { port }, name, database: db, ...(protocol && { RESP: protocol }) });
    const failures = [];
    client.on('error', (error) => failures.push(error));
    await client.connect();
    return {
        failures,
        // Version 4 has it under another name.
        close: () => (client.destroy ? client.destroy() : client.disconnect()),
        ping: () => client.ping(),
        // After a subscription version 5 returns a buffer in RESP2.
        echo: async (text) => String(await client.echo(text)),
        name: () => client.clientGetName(),
        info: () => client.sendCommand(['CLIENT', 'INFO']),
        command: (...args) => client.sendCommand(args),
        publish: (channel, message) => client.publish(channel, message),
        spublish: (channel, message) => client.sPublish(channel, message),
        channels: () => client.pubSubChannels(),
        shardChannels: () => client.pubSubShardChannels(),
        patternCount: () => client.pubSubNumPat(),
        async receivers(channels) {
            const counts = await client.pubSubNumSub(channels);
            return channels.map((channel) => counts[channel]);
        },
        subscribe: (kind, names, listener, { bytes = false } = {}) =>
            client[KINDS[kind].subscribe](names, (message, channel) => listener(channel, message), bytes),
        unsubscribe: (kind, names) => client[KINDS[kind].unsubscribe](names),
        // Commands of one turn of the event loop go out together.
        publishMany(how, channel, messages) {
            if (how === 'pipeline') return Promise.all(messages.map((message) => client.publish(channel, message)));
            const multi = client.multi();
            for (const message of messages) multi.publish(channel, message);
            return multi.exec();
        },
    };
};
