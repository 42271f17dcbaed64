// A Node library as applications use it. Usage: checks.cjs LIBRARY PORT (default|2|3)
//
// LIBRARY is a name in package.json. What differs between the libraries is in the file that `adapter` loads; each check
// stands here once. The first that fails ends the script.

const assert = require('node:assert');
const { Inbox, eventually, restartServer, run, within } = require('../support.cjs');

const [library, port] = [process.argv[2], Number(process.argv[3])];
const protocol = process.argv[4] === 'default' ? undefined : Number(process.argv[4]);
const adapter = require(library.startsWith('ioredis') ? './ioredis.cjs' : './node_redis.cjs');

const connect = (options) => within('connect', adapter.connect(library, port, protocol, options));

// Two connections and the queue of what the second one receives.
async function pair() {
    return [await connect(), await connect(), new Inbox()];
}

function close(...clients) {
    for (const client of clients) client.close();
}

async function connects() {
    const client = await connect({ name: 'me', db: 2 });
    assert.strictEqual(await client.ping(), 'PONG');
    assert.strictEqual(await client.echo('hello'), 'hello');
    assert.strictEqual(await client.name(), 'me');
    const info = String(await client.info());
    assert.ok(info.includes(` resp=${adapter.speaks(library, protocol)}`), info);
    assert.ok(info.includes(' db=2 '), info);
    assert.deepStrictEqual(client.failures, []);
    close(client);
}

async function subscribesAndPublishes() {
    const [pub, sub, inbox] = await pair();
    await sub.subscribe('channel', ['news', 'weather'], inbox.put);
    assert.strictEqual(await pub.publish('news', 'hello'), 1);
    assert.strictEqual(await pub.publish('nobody', 'hello'), 0);
    assert.strictEqual(await pub.publish('weather', 'rain'), 1);
    await inbox.expect('news', 'hello');
    await inbox.expect('weather', 'rain');
    assert.deepStrictEqual(await pub.receivers(['news', 'nobody']), [1, 0]);
    assert.deepStrictEqual((await pub.channels()).sort(), ['news', 'weather']);
    assert.ok(await sub.ping());
    close(pub, sub);
}

async function patterns() {
    const [pub, sub, inbox] = await pair();
    await sub.subscribe('pattern', ['news.*'], inbox.put);
    assert.strictEqual(await pub.publish('news.uk', 'hello'), 1);
    await inbox.expect('news.uk', 'hello');
    assert.strictEqual(await pub.patternCount(), 1);
    await sub.unsubscribe('pattern', ['news.*']);
    assert.strictEqual(await pub.publish('news.uk', 'hello'), 0);
    close(pub, sub);
}

async function shardChannels() {
    const [pub, sub, inbox] = await pair();
    await sub.subscribe('shard', ['orders'], inbox.put);
    assert.strictEqual(await pub.spublish('orders', 'hello'), 1);
    await inbox.expect('orders', 'hello');
    assert.strictEqual(await pub.publish('orders', 'hello'), 0);
    assert.deepStrictEqual(await pub.shardChannels(), ['orders']);
    await sub.unsubscribe('shard', ['orders']);
    assert.strictEqual(await pub.spublish('orders', 'hello'), 0);
    close(pub, sub);
}

async function unsubscribes() {
    const [pub, sub, inbox] = await pair();
    await sub.subscribe('channel', ['a', 'b', 'c'], inbox.put);
    await sub.unsubscribe('channel', ['a']);
    assert.strictEqual(await pub.publish('a', 'x'), 0);
    // From all.
    await sub.unsubscribe('channel');
    assert.strictEqual(await pub.publish('b', 'x'), 0);
    // An ordinary connection again.
    assert.strictEqual(await sub.echo('hello'), 'hello');
    inbox.assertEmpty();
    close(pub, sub);
}

// Breaks the connections and expects the library to connect and to subscribe again by itself.
async function recovers(breakConnections) {
    const [pub, sub, inbox] = await pair();
    await sub.subscribe('channel', ['a'], inbox.put);
    await sub.subscribe('pattern', ['b*'], inbox.put);
    await breakConnections(pub);
    await eventually('it has subscribed again', async () => {
        const [count] = await pub.receivers(['a']);
        return count === 1 && (await pub.patternCount()) === 1;
    });
    assert.strictEqual(await pub.publish('a', 'again'), 1);
    assert.strictEqual(await pub.publish('bb', 'again'), 1);
    await inbox.expect('a', 'again');
    await inbox.expect('bb', 'again');
    close(pub, sub);
}

async function survivesClientKill() {
    await recovers(async (pub) => {
        assert.strictEqual(await pub.command('CLIENT', 'KILL', 'TYPE', 'pubsub'), 1);
    });
}

async function survivesARestart() {
    await recovers(restartServer);
}

async function pipelinesAndTransactions() {
    const [pub, sub, inbox] = await pair();
    await sub.subscribe('channel', ['a'], inbox.put);
    const messages = Array.from({ length: 100 }, (_, number) => String(number));
    for (const how of ['pipeline', 'multi']) {
        assert.deepStrictEqual(await pub.publishMany(how, 'a', messages), Array(100).fill(1));
        for (const message of messages) await inbox.expect('a', message);
    }
    close(pub, sub);
}

async function anyBytes() {
    const [pub, sub, inbox] = await pair();
    const everything = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await sub.subscribe('channel', ['bytes'], inbox.put, { bytes: true });
    assert.strictEqual(await pub.publish('bytes', everything), 1);
    await inbox.expect(Buffer.from('bytes'), everything);
    close(pub, sub);
}

async function raisesErrors() {
    const client = await connect();
    await assert.rejects(client.command('NOSUCH', 'a'), /unknown command/);
    close(client);
}

run([
    connects,
    subscribesAndPublishes,
    patterns,
    shardChannels,
    unsubscribes,
    survivesClientKill,
    survivesARestart,
    pipelinesAndTransactions,
    anyBytes,
    raisesErrors,
]);
