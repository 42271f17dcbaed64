// Presence with a Node library as applications use it. Usage: presence.cjs LIBRARY PORT (default|2|3)
//
// LIBRARY is a name in package.json. The first check that fails ends the script.

const assert = require('node:assert');
const { randomUUID } = require('node:crypto');

const { Inbox, restartServer, run, within } = require('../support.cjs');

const [library, port] = [process.argv[2], Number(process.argv[3])];
const protocol = process.argv[4] === 'default' ? undefined : Number(process.argv[4]);
const adapter = require(library.startsWith('ioredis') ? './ioredis.cjs' : './node_redis.cjs');

const connect = () => within('connect', adapter.connect(library, port, protocol));

// Longer than anything takes, in milliseconds.
const LONG = '60000';

// What comes from a channel, event by event. To mend a broken connection is the library's business.
class Channel {
    static async open(name) {
        const channel = new Channel();
        channel.name = name;
        channel.inbox = new Inbox();
        channel.connection = await connect();
        await channel.connection.subscribe('channel', [name], channel.inbox.put);
        return channel;
    }

    async event() {
        const [name, message] = await this.inbox.take();
        assert.strictEqual(name, this.name);
        return JSON.parse(message);
    }

    close() {
        this.connection.close();
    }
}

// An application server: it tracks its users, and tracks them again when it is told to.
class Application {
    static async start(broker, topic, users) {
        const application = Object.assign(new Application(), { broker, topic, users, session: randomUUID() });
        application.channel = await Channel.open(`__presence_session__:${application.session}`);
        return application;
    }

    track(user) {
        const meta = JSON.stringify({ user });
        return this.broker.command('PRESENCE.TRACK', this.topic, user, meta, 'SESSION', this.session);
    }

    // Waits to be told how its session stands, and does what it has to.
    async attached() {
        const { event, members, resumed } = await this.channel.event();
        assert.strictEqual(event, 'attached');
        if (!resumed || members !== this.users.length) {
            await Promise.all(this.users.map((user) => this.track(user)));
        }
        return { members, resumed };
    }
}

// Somebody who watches a topic, and knows from what it is told who is there.
class Watcher {
    static async start(topic) {
        const watcher = Object.assign(new Watcher(), { topic, known: {} });
        watcher.channel = await Channel.open(`__presence__:${topic}`);
        assert.deepStrictEqual(await watcher.event(), ['presence_state', [], []]);
        return watcher;
    }

    async event() {
        const { event, topic, payload } = await this.channel.event();
        assert.strictEqual(topic, this.topic);
        if (event === 'presence_state') {
            this.known = payload;
            return [event, Object.keys(payload), []];
        }
        for (const [key, { metas }] of Object.entries(payload.joins)) {
            (this.known[key] ??= { metas: [] }).metas.push(...metas);
        }
        for (const [key, { reasons }] of Object.entries(payload.leaves)) {
            this.known[key].metas = this.known[key].metas.filter((meta) => !(meta.phx_ref in reasons));
            if (this.known[key].metas.length === 0) delete this.known[key];
        }
        return [event, Object.keys(payload.joins), Object.keys(payload.leaves)];
    }

    async until(condition) {
        while (!condition(this.known)) await this.event();
    }

    // What it is told next is that somebody comes now, after all that has happened.
    async wasToldNothing(broker) {
        await broker.command('PRESENCE.TRACK', this.topic, 'the last', 'SESSION', 'of the last');
        assert.deepStrictEqual(await this.event(), ['presence_diff', ['the last'], []]);
        await broker.command('PRESENCE.END', 'of the last');
        assert.deepStrictEqual(await this.event(), ['presence_diff', [], ['the last']]);
    }
}

// A reply of PRESENCE.LIST, which may be a map or a flat list, as an object.
function keys(reply) {
    const pairs = Array.isArray(reply)
        ? Array.from({ length: reply.length / 2 }, (_, index) => reply.slice(2 * index, 2 * index + 2))
        : Object.entries(reply);
    return Object.fromEntries(pairs.map(([key, metas]) => [key, { metas: metas.map((meta) => JSON.parse(meta)) }]));
}

async function listed(broker, topic) {
    return keys(await broker.command('PRESENCE.LIST', topic));
}

const users = (count) => Array.from({ length: count }, (_, number) => `user ${number}`);

async function replies() {
    const broker = await connect();
    const [topic, session] = [randomUUID(), randomUUID()];
    const presence = (command, ...args) => broker.command(`PRESENCE.${command}`, ...args);
    assert.strictEqual(await presence('TOUCH', session), 0);
    assert.strictEqual(await presence('TOUCH', session, 'TTL', LONG), 1);
    const ref = await presence('TRACK', topic, 'ada', '{"device": "phone"}', 'SESSION', session);
    assert.strictEqual(await presence('TRACK', topic, 'ada', '{"device":"phone"}', 'SESSION', session), ref);
    const other = await presence('TRACK', topic, 'ada', 'SESSION', session, 'ID', 'tab');
    const expected = { ada: { metas: [{ phx_ref: ref, device: 'phone' }, { phx_ref: other }] } };
    const reply = await presence('LIST', topic);
    assert.strictEqual(Array.isArray(reply), !adapter.hasMaps(library, protocol));
    assert.deepStrictEqual(keys(reply), expected);
    assert.deepStrictEqual(JSON.parse(await presence('LIST', topic, 'JSON')), expected);
    assert.deepStrictEqual((await presence('GET', topic, 'ada')).map(JSON.parse), expected.ada.metas);
    assert.deepStrictEqual(await presence('GET', topic, 'nobody'), []);
    assert.deepStrictEqual(await presence('COUNT', topic, 'nowhere'), [[1, 2], [0, 0]]);
    assert.deepStrictEqual(await presence('WHERE', 'ada'), [topic]);
    const [cursor, found] = await presence('SCAN', topic, '0');
    assert.strictEqual(cursor, '0');
    assert.deepStrictEqual(keys(found), expected);
    await assert.rejects(presence('UPDATE', topic, 'nobody', '{}'), /^\w*Error: NOTTRACKED /);
    assert.strictEqual(await presence('UNTRACK', topic, 'ada', 'SESSION', session), 1);
    assert.strictEqual(await presence('END', session), 1);
    assert.deepStrictEqual(keys(await presence('LIST', topic)), {});
    broker.close();
}

// An application and a watcher, who know of each other's users.
async function pair() {
    const [broker, topic] = [await connect(), randomUUID()];
    await broker.command('CONFIG', 'SET', 'presence-grace', LONG);
    const watcher = await Watcher.start(topic);
    const application = await Application.start(broker, topic, users(100));
    assert.deepStrictEqual(await application.attached(), { members: 0, resumed: false });
    await watcher.until((known) => Object.keys(known).length === 100);
    return { broker, topic, watcher, application };
}

async function aSessionSurvivesAKilledConnection() {
    const { broker, topic, watcher, application } = await pair();
    const [subscriber] = await broker.command('PUBSUB', 'SUBSCRIBERS', application.channel.name);
    const id = Array.isArray(subscriber) ? subscriber[1] : subscriber.id;
    assert.strictEqual(await broker.command('CLIENT', 'KILL', 'ID', String(id)), 1);
    assert.deepStrictEqual(await application.attached(), { members: 100, resumed: true });
    await watcher.wasToldNothing(broker);
    assert.deepStrictEqual(watcher.known, await listed(broker, topic));
    // To end a session is to unsubscribe by name.
    await application.channel.connection.unsubscribe('channel', [application.channel.name]);
    await watcher.until((known) => Object.keys(known).length === 0);
    for (const { close } of [broker, application.channel.connection, watcher.channel.connection]) close();
}

async function usersAreTrackedAgainAfterARestart() {
    const { broker, topic, watcher, application } = await pair();
    await restartServer();
    assert.deepStrictEqual(await application.attached(), { members: 0, resumed: false });
    // A state came first, and perhaps diffs after it.
    const before = watcher.known;
    await watcher.until((known) => known !== before && Object.keys(known).length === 100);
    assert.deepStrictEqual(watcher.known, await listed(broker, topic));
    await watcher.wasToldNothing(broker);
    for (const { close } of [broker, application.channel.connection, watcher.channel.connection]) close();
}

run([replies, aSessionSurvivesAKilledConnection, usersAreTrackedAgainAfterARestart]);
