// ioredis as applications use it. Usage: ioredis.cjs PORT (default|2|3)

const assert = require('node:assert');
const Redis = require('ioredis');
const { port, protocol, Inbox, eventually, run } = require('./support.cjs');

function connect(options = {}) {
    const client = new Redis({ port, ...(protocol && { protocol }), ...options });
    client.failures = [];
    client.on('error', (error) => client.failures.push(error));
    return client;
}

function close(...clients) {
    for (const client of clients) client.disconnect();
}

async function connects() {
    const client = connect({ connectionName: 'me', db: 2 });
    assert.strictEqual(await client.ping(), 'PONG');
    assert.strictEqual(await client.echo('hello'), 'hello');
    assert.strictEqual(await client.client('GETNAME'), 'me');
    const info = await client.client('INFO');
    assert.ok(info.includes(protocol === 2 ? 'resp=2' : 'resp=3'), info);
    assert.ok(info.includes(' db=2 '), info);
    assert.deepStrictEqual(client.failures, []);
    close(client);
}

async function subscribesAndPublishes() {
    const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
    sub.on('message', (channel, message) => inbox.put(channel, message));
    assert.strictEqual(await sub.subscribe('news', 'weather'), 2);
    assert.strictEqual(await pub.publish('news', 'hello'), 1);
    assert.strictEqual(await pub.publish('nobody', 'hello'), 0);
    await inbox.expect('news', 'hello');
    assert.deepStrictEqual(await pub.pubsub('NUMSUB', 'news', 'nobody'), ['news', 1, 'nobody', 0]);
    assert.deepStrictEqual((await pub.pubsub('CHANNELS')).sort(), ['news', 'weather']);
    close(pub, sub);
}

async function patterns() {
    const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
    sub.on('pmessage', (pattern, channel, message) => inbox.put(pattern, channel, message));
    assert.strictEqual(await sub.psubscribe('news.*'), 1);
    assert.strictEqual(await pub.publish('news.uk', 'hello'), 1);
    await inbox.expect('news.*', 'news.uk', 'hello');
    close(pub, sub);
}

async function shardChannels() {
    const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
    sub.on('smessage', (channel, message) => inbox.put(channel, message));
    assert.strictEqual(await sub.ssubscribe('orders'), 1);
    assert.strictEqual(await pub.spublish('orders', 'hello'), 1);
    await inbox.expect('orders', 'hello');
    assert.deepStrictEqual(await pub.pubsub('SHARDNUMSUB', 'orders'), ['orders', 1]);
    assert.strictEqual(await sub.sunsubscribe('orders'), 0);
    close(pub, sub);
}

async function unsubscribes() {
    const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
    sub.on('message', (channel, message) => inbox.put(channel, message));
    await sub.subscribe('a', 'b');
    assert.strictEqual(await sub.unsubscribe('a'), 1);
    assert.strictEqual(await pub.publish('a', 'x'), 0);
    assert.strictEqual(await sub.unsubscribe(), 0);
    assert.strictEqual(await pub.publish('b', 'x'), 0);
    // An ordinary connection again.
    assert.strictEqual(await sub.echo('hello'), 'hello');
    inbox.assertEmpty();
    close(pub, sub);
}

async function reconnectsWhenKilled() {
    const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
    sub.on('message', (channel, message) => inbox.put(channel, message));
    sub.on('pmessage', (pattern, channel, message) => inbox.put(pattern, channel, message));
    await sub.subscribe('a');
    await sub.psubscribe('b*');
    assert.strictEqual(await pub.client('KILL', 'TYPE', 'pubsub'), 1);
    await eventually('it has subscribed again', async () => {
        const [, count] = await pub.pubsub('NUMSUB', 'a');
        return count === 1 && (await pub.pubsub('NUMPAT')) === 1;
    });
    assert.strictEqual(await pub.publish('a', 'again'), 1);
    assert.strictEqual(await pub.publish('bb', 'again'), 1);
    await inbox.expect('a', 'again');
    await inbox.expect('b*', 'bb', 'again');
    close(pub, sub);
}

async function pipelines() {
    const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
    sub.on('message', (channel, message) => inbox.put(channel, message));
    await sub.subscribe('a');
    for (const pipeline of [pub.pipeline(), pub.multi()]) {
        for (let number = 0; number < 100; number++) pipeline.publish('a', number);
        const results = await pipeline.exec();
        assert.deepStrictEqual(results, Array(100).fill([null, 1]));
        for (let number = 0; number < 100; number++) await inbox.expect('a', String(number));
    }
    close(pub, sub);
}

async function anyBytes() {
    const [pub, sub, inbox] = [connect(), connect(), new Inbox()];
    const everything = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    sub.on('messageBuffer', (channel, message) => inbox.put(channel, message));
    await sub.subscribe('bytes');
    assert.strictEqual(await pub.publish('bytes', everything), 1);
    await inbox.expect(Buffer.from('bytes'), everything);
    close(pub, sub);
}

async function raisesErrors() {
    const client = connect();
    await assert.rejects(client.call('NOSUCH', 'a'), /unknown command/);
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
