// How the checks use ioredis, of any version.

const KINDS = {
    channel: { event: 'message', subscribe: 'subscribe', unsubscribe: 'unsubscribe' },
    pattern: { event: 'pmessage', subscribe: 'psubscribe', unsubscribe: 'punsubscribe' },
    shard: { event: 'smessage', subscribe: 'ssubscribe', unsubscribe: 'sunsubscribe' },
};

exports.speaks = (library, protocol) => protocol ?? (library === 'ioredis5' ? 2 : 3);

// It makes lists of maps.
exports.hasMaps = () => false;

exports.connect = async (library, port, protocol, { name, db } = {}) => {
    const Redis = require(library);
    const client = new Redis({ port, db, connectionName: name, ...(protocol && { protocol }) });
    const failures = [];
    client.on('error', (error) => failures.push(error));
    return {
        failures,
        close: () => client.disconnect(),
        ping: () => client.ping(),
        echo: (text) => client.echo(text),
        name: () => client.client('GETNAME'),
        info: () => client.client('INFO'),
        command: (...args) => client.call(...args),
        publish: (channel, message) => client.publish(channel, message),
        spublish: (channel, message) => client.spublish(channel, message),
        channels: () => client.pubsub('CHANNELS'),
        shardChannels: () => client.pubsub('SHARDCHANNELS'),
        patternCount: () => client.pubsub('NUMPAT'),
        async receivers(channels) {
            const reply = await client.pubsub('NUMSUB', ...channels);
            return channels.map((channel) => reply[reply.indexOf(channel) + 1]);
        },
        subscribe(kind, names, listener, { bytes = false } = {}) {
            const { event, subscribe } = KINDS[kind];
            client.on(bytes ? `${event}Buffer` : event, (...args) => listener(...args.slice(-2)));
            return client[subscribe](...names);
        },
        unsubscribe: (kind, names = []) => client[KINDS[kind].unsubscribe](...names),
        // What stands in the pipeline goes out at once.
        async publishMany(how, channel, messages) {
            const pipeline = how === 'multi' ? client.multi() : client.pipeline();
            for (const message of messages) pipeline.publish(channel, message);
            const results = await pipeline.exec();
            return results.map(([error, count]) => error ?? count);
        },
    };
};
