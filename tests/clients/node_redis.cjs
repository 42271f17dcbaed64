// node-redis as applications use it. Usage: node_redis.cjs PORT (default|2|3)

const assert = require('node:assert');
const { createClient } = require('redis');
const { port, protocol, Inbox, eventually, run, within } = require('./support.cjs');

async function connect(options = {}) {
    const client = createClient({ socket: { port }, ...(protocol && { RESP: protocol }), ...options });
    client.failures = [];
    client.on('error', (error) => client.failures.push(error));
    await within('connect', client.connect());
    return client;
}

function close(...clients) {
    for (const client of clients) client.destroy();
}

async function connects() {
    const client = await connect({ name: 'me', database: 2 });
    assert.strictEqual(await client.ping(), 'PONG');
    assert.strictEqual(await client.echo('hello'), 'hello');
    assert.strictEqual(await client.clientGetName(), 'me');
    const info = await client.sendCommand(['CLIENT', 'INFO']);
    assert.ok(String(info).includes(protocol === 2 ? 'resp=2' : 'resp=3'), info);
    assert.ok(String(info).includes(' db=2 '), info);
    assert.deepStrictEqual(client.failures, []);
    close(client);
}

async function subscribesAndPublishes() {
    const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
    await sub.subscribe(['news', 'weather'], (message, channel) => inbox.put(channel, message));
    assert.strictEqual(await pub.publish('news', 'hello'), 1);
    assert.strictEqual(await pub.publish('nobody', 'hello'), 0);
    await inbox.expect('news', 'hello');
    assert.deepStrictEqual((await pub.pubSubChannels()).sort(), ['news', 'weather']);
    const counts = await pub.pubSubNumSub(['news', 'nobody']);
    assert.deepStrictEqual({ ...counts }, { news: 1, nobody: 0 });
    assert.ok(await sub.ping());
    close(pub, sub);
}

async function patterns() {
    const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
    await sub.pSubscribe('news.*', (message, channel) => inbox.put(channel, message));
    assert.strictEqual(await pub.publish('news.uk', 'hello'), 1);
    await inbox.expect('news.uk', 'hello');
    assert.strictEqual(await pub.pubSubNumPat(), 1);
    close(pub, sub);
}

async function shardChannels() {
    const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
    await sub.sSubscribe('orders', (message, channel) => inbox.put(channel, message));
    assert.strictEqual(await pub.sPublish('orders', 'hello'), 1);
    await inbox.expect('orders', 'hello');
    assert.deepStrictEqual(await pub.pubSubShardChannels(), ['orders']);
    await sub.sUnsubscribe('orders');
    assert.strictEqual(await pub.sPublish('orders', 'hello'), 0);
    close(pub, sub);
}

async function unsubscribes() {
    const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
    await sub.subscribe(['a', 'b'], (message, channel) => inbox.put(channel, message));
    await sub.unsubscribe('a');
    assert.strictEqual(await pub.publish('a', 'x'), 0);
    await sub.unsubscribe();
    assert.strictEqual(await pub.publish('b', 'x'), 0);
    // An ordinary connection again, only that in RESP2 the library then returns a buffer.
    assert.strictEqual(String(await sub.echo('hello')), 'hello');
    inbox.assertEmpty();
    close(pub, sub);
}

async function reconnectsWhenKilled() {
    const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
    await sub.subscribe('a', (message, channel) => inbox.put(channel, message));
    await sub.pSubscribe('b*', (message, channel) => inbox.put(channel, message));
    assert.strictEqual(await pub.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']), 1);
    await eventually('it has subscribed again', async () => {
        const { a } = await pub.pubSubNumSub(['a']);
        return a === 1 && (await pub.pubSubNumPat()) === 1;
    });
    assert.strictEqual(await pub.publish('a', 'again'), 1);
    assert.strictEqual(await pub.publish('bb', 'again'), 1);
    await inbox.expect('a', 'again');
    await inbox.expect('bb', 'again');
    close(pub, sub);
}

async function pipelines() {
    const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
    await sub.subscribe('a', (message, channel) => inbox.put(channel, message));
    for (const execute of ['exec', 'execAsPipeline']) {
        const multi = pub.multi();
        for (let number = 0; number < 100; number++) multi.publish('a', String(number));
        assert.deepStrictEqual(await multi[execute](), Array(100).fill(1));
        for (let number = 0; number < 100; number++) await inbox.expect('a', String(number));
    }
    // Commands of one turn of the event loop go out together.
    const counts = await Promise.all(Array.from({ length: 100 }, () => pub.publish('a', 'x')));
    assert.deepStrictEqual(counts, Array(100).fill(1));
    close(pub, sub);
}

async function anyBytes() {
    const [pub, sub, inbox] = [await connect(), await connect(), new Inbox()];
    const everything = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await sub.subscribe('bytes', (message, channel) => inbox.put(channel, message), true);
    assert.strictEqual(await pub.publish('bytes', everything), 1);
    await inbox.expect(Buffer.from('bytes'), everything);
    close(pub, sub);
}

async function raisesErrors() {
    const client = await connect();
    await assert.rejects(client.sendCommand(['NOSUCH', 'a']), /unknown command/);
    close(client);
}

run([
    connects,
    subscribesAndPublishes,
    patterns,
    shardChannels,
    unsubscribes,
    reconnectsWhenKilled,
    pipelines,
    anyBytes,
    raisesErrors,
]);
