// A Node library's client for Redis Cluster as applications use it. Usage: cluster.cjs LIBRARY PORT (default|2|3)
//
// LIBRARY is a name in package.json. The first check that fails ends the script.

const assert = require('node:assert');
const { Inbox, run, within } = require('../support.cjs');

const [library, port] = [process.argv[2], Number(process.argv[3])];
const protocol = process.argv[4] === 'default' ? undefined : Number(process.argv[4]);

const ROOMS = Array.from({ length: 40 }, (_, number) => `room:${number}`);

async function ioredis() {
    const { Cluster } = require(library);
    const connect = (options) =>
        new Cluster([{ host: '127.0.0.1', port }], {
            redisOptions: protocol && { protocol },
            ...options,
        });

    async function commandsGoWhereTheirSlotsAre() {
        const client = connect();
        assert.strictEqual(await within('ping', client.ping()), 'PONG');
        assert.ok(client.nodes('master').length >= 1);
        assert.strictEqual(await client.cluster('KEYSLOT', 'foo{bar}'), 5061);
        client.disconnect();
    }

    async function channelsAndPatterns() {
        const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
        sub.on('message', inbox.put);
        sub.on('pmessage', (pattern, channel, message) => inbox.put(channel, message));
        await within('subscribe', sub.subscribe('news'));
        await within('psubscribe', sub.psubscribe('weather.*'));
        await pub.publish('news', 'hello');
        await inbox.expect('news', 'hello');
        await pub.publish('weather.uk', 'rain');
        await inbox.expect('weather.uk', 'rain');
        pub.disconnect();
        sub.disconnect();
    }

    async function shardChannelsOfAllSlots() {
        const [pub, sub, inbox] = [connect(), connect({ shardedSubscribers: true }), new Inbox()];
        // One of a cluster says more: undefined, in version 6.0.
        sub.on('smessage', (channel, message) => inbox.put(channel, message));
        await within('ready', sub.ping());
        // One slot to a call, or it refuses by itself.
        for (const room of ROOMS) await within(room, sub.ssubscribe(room));
        for (const room of ROOMS) assert.strictEqual(await pub.spublish(room, `to ${room}`), 1);
        const got = [];
        for (const _ of ROOMS) got.push(await inbox.take());
        assert.deepStrictEqual(got.sort(), ROOMS.map((room) => [room, `to ${room}`]).sort());
        pub.disconnect();
        sub.disconnect();
    }

    const sharded = library === 'ioredis6' ? [shardChannelsOfAllSlots] : [];
    await run([commandsGoWhereTheirSlotsAre, channelsAndPatterns, ...sharded]);
}

async function nodeRedis() {
    const { createCluster } = require(library);
    async function connect() {
        const client = createCluster({
            rootNodes: [{ url: `redis://127.0.0.1:${port}` }],
            ...(protocol && { RESP: protocol }),
        });
        client.on('error', (error) => console.error(error));
        await within('connect', client.connect());
        return client;
    }
    const close = (client) => (client.destroy ? client.destroy() : client.disconnect());

    async function commandsGoWhereTheirSlotsAre() {
        const client = await connect();
        assert.ok(client.masters.length >= 1);
        assert.strictEqual(await client.exists('key'), 0);
        close(client);
    }

    async function channelsAndPatterns() {
        const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
        await within('subscribe', sub.subscribe('news', (message, channel) => inbox.put(channel, message)));
        await within('pattern', sub.pSubscribe('weather.*', (message, channel) => inbox.put(channel, message)));
        await pub.publish('news', 'hello');
        await inbox.expect('news', 'hello');
        await pub.publish('weather.uk', 'rain');
        await inbox.expect('weather.uk', 'rain');
        close(pub);
        close(sub);
    }

    async function shardChannelsOfAllSlots() {
        const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
        for (const room of ROOMS) {
            await within(room, sub.sSubscribe(room, (message, channel) => inbox.put(channel, message)));
        }
        for (const room of ROOMS) assert.strictEqual(await pub.sPublish(room, `to ${room}`), 1);
        const got = [];
        for (const _ of ROOMS) got.push(await inbox.take());
        assert.deepStrictEqual(got.sort(), ROOMS.map((room) => [room, `to ${room}`]).sort());
        close(pub);
        close(sub);
    }

    await run([commandsGoWhereTheirSlotsAre, channelsAndPatterns, shardChannelsOfAllSlots]);
}

library.startsWith('ioredis') ? ioredis() : nodeRedis();
