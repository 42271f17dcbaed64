// phoenix.js's Presence, fed with what a subscription brings. Usage: phoenix.cjs PORT (default|2|3)
//
// Members come, change and go at random, from several sessions and connections, while a watcher that was there from the
// start, others that come at some moment and one whose connection is killed apply what they are sent. In the end all of them
// have what PRESENCE.LIST has.

const assert = require('node:assert');
const Redis = require('ioredis');
const { Presence } = require('phoenix');

const { eventually, run } = require('../support.cjs');
const { connect } = require('./broker.cjs');

const [port, protocol] = process.argv.slice(2);
// Names of members of objects, and one that JSON escapes.
const KEYS = ['ada', 'bob', '__proto__', 'constructor', 'toString', '7', 'a "b" \n ü'];
const SEEDS = 5;
const STEPS = 300;

// The generator "mulberry32": numbers from 0 up to 1.
function random(seed) {
    return () => {
        seed = (seed + 0x6d2b79f5) | 0;
        let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

// A topic as a browser knows it: what README.md shows, and that no message is missing.
class Watcher {
    constructor(broker, topic, name) {
        this.channel = `__presence__:${topic}`;
        this.topic = topic;
        this.connection = broker.duplicate({ connectionName: name });
        this.state = {};
        this.parts = {};
        this.seq = undefined;
        this.failure = undefined;
        this.connection.on('message', (channel, message) => {
            try {
                assert.strictEqual(channel, this.channel);
                this.take(JSON.parse(message));
            } catch (error) {
                this.failure ??= error;
            }
        });
    }

    async watch() {
        await this.connection.connect();
        await this.connection.subscribe(this.channel);
        return this;
    }

    take({ event, topic, seq, payload, more }) {
        assert.strictEqual(topic, this.topic);
        if (event === 'presence_state') {
            this.parts = { ...this.parts, ...payload };
            if (!more) {
                this.state = Presence.syncState(this.state, this.parts);
                this.parts = {};
            }
        } else {
            assert.strictEqual(event, 'presence_diff');
            assert.strictEqual(seq, this.seq + 1);
            this.check(payload);
            this.state = Presence.syncDiff(this.state, payload);
        }
        this.seq = seq;
    }

    // Nobody joins who is there, nobody leaves who is not, whoever leaves does so for a reason, and an update is one of what
    // was there.
    check({ joins, leaves }) {
        const metasOf = (state, key) => (Object.hasOwn(state, key) ? state[key].metas : []);
        const refs = (key) => metasOf(this.state, key).map((meta) => meta.phx_ref);
        for (const [key, { metas }] of Object.entries(joins)) {
            for (const { phx_ref: ref, phx_ref_prev: before } of metas) {
                assert.ok(!refs(key).includes(ref), `${key} joins twice`);
                if (refs(key).includes(before)) assert.strictEqual(leaves[key].reasons[before], 'update');
            }
        }
        for (const [key, { metas, reasons }] of Object.entries(leaves)) {
            assert.deepStrictEqual(Object.keys(reasons).sort(), metas.map((meta) => meta.phx_ref).sort());
            for (const { phx_ref: ref } of metas) {
                assert.ok(refs(key).includes(ref), `${key} leaves without having joined`);
                const successors = reasons[ref] === 'update' ? 1 : 0;
                const joined = metasOf(joins, key).filter((meta) => meta.phx_ref_prev === ref);
                assert.strictEqual(joined.length, successors);
            }
        }
    }

    list() {
        if (this.failure) throw this.failure;
        return sorted(this.state);
    }
}

// Keys in the order of their names, metas in that of their refs: an update is in another place in Phoenix's list. Of several
// updates of one window a watcher is told the last, with the ref that it knew before.
function sorted(state) {
    const byRef = (a, b) => (a.phx_ref < b.phx_ref ? -1 : 1);
    const metas = (key) => state[key].metas.map(({ phx_ref_prev: _, ...meta }) => meta).sort(byRef);
    return Object.getOwnPropertyNames(state).sort().map((key) => [key, metas(key)]);
}

// The list of a topic, as three commands tell it.
async function listed(broker, topic) {
    const json = JSON.parse(await broker.call('PRESENCE.LIST', topic, 'JSON'));
    const flat = await broker.call('PRESENCE.LIST', topic);
    const list = [];
    for (let index = 0; index < flat.length; index += 2) {
        list.push([flat[index], flat[index + 1].map(JSON.parse)]);
    }
    assert.deepStrictEqual(Object.fromEntries(list.map(([key, metas]) => [key, { metas }])), json);
    const members = list.reduce((sum, [, metas]) => sum + metas.length, 0);
    assert.deepStrictEqual(await broker.call('PRESENCE.COUNT', topic), [[list.length, members]]);
    return sorted(json);
}

// Does something at random to a topic.
async function change(next, topic, connections) {
    const pick = (list) => list[Math.floor(next() * list.length)];
    const connection = pick(connections);
    const session = pick([[], ['SESSION', 'one'], ['SESSION', 'two']]);
    const member = [topic, pick(KEYS)];
    const options = [...session, ...pick([[], [], ['ID', 'tab 2']])];
    const meta = JSON.stringify(pick([{}, { n: Math.floor(next() * 3) }, { deep: { list: [1, null, 'ü'] } }]));
    const kind = next();
    if (kind < 0.5) return connection.call('PRESENCE.TRACK', ...member, meta, ...options);
    if (kind < 0.65) {
        const update = connection.call('PRESENCE.UPDATE', ...member, meta, ...options, ...pick([[], ['MERGE']]));
        return update.catch((error) => assert.match(error.message, /^NOTTRACKED /));
    }
    if (kind < 0.95) return connection.call('PRESENCE.UNTRACK', ...member, ...options);
    return connection.call('PRESENCE.UNTRACKALL', ...session, 'TOPIC', topic);
}

async function anyChanges() {
    const broker = await connect('ioredis', port, protocol);
    const others = await Promise.all([1, 2, 3].map(() => connect('ioredis', port, protocol)));
    for (let seed = 1; seed <= SEEDS; seed += 1) {
        console.log(`seed ${seed}`);
        const next = random(seed);
        const topic = `room ${seed}`;
        await broker.call('PRESENCE.TOUCH', 'one', 'TTL', '600000');
        await broker.call('PRESENCE.TOUCH', 'two', 'TTL', '600000');
        const watchers = [await new Watcher(broker, topic, `watcher-${seed}`).watch()];
        for (let step = 0; step < STEPS; step += 1) {
            // Some at once, so that they come within one window.
            await Promise.all(Array.from({ length: 1 + Math.floor(next() * 4) }, () => change(next, topic, others)));
            if (step % 100 === 50) watchers.push(await new Watcher(broker, topic, `watcher-${seed}`).watch());
            if (step === 200) await killFirst(broker, `watcher-${seed}`);
        }
        await agree(broker, topic, watchers);
        // A connection's end, and that of a session.
        others.pop().disconnect();
        others.push(await connect('ioredis', port, protocol));
        await broker.call('PRESENCE.END', 'one');
        await agree(broker, topic, watchers);
        await broker.call('PRESENCE.END', 'two');
        for (const other of others) await other.call('PRESENCE.UNTRACKALL');
        await eventually('nobody is there', async () => (await listed(broker, topic)).length === 0);
        await agree(broker, topic, watchers);
        for (const watcher of watchers) watcher.connection.disconnect();
    }
}

// Kills the connection of one of these watchers, which connects and subscribes again by itself.
async function killFirst(broker, name) {
    const clients = (await broker.client('LIST')).split('\n');
    const [id] = clients.find((client) => client.includes(` name=${name} `)).match(/(?<=^id=)\d+/);
    assert.strictEqual(await broker.client('KILL', 'ID', id), 1);
}

// All come to have what PRESENCE.LIST has.
async function agree(broker, topic, watchers) {
    await eventually('all have the same list', async () => {
        const list = await listed(broker, topic);
        for (const watcher of watchers) assert.deepStrictEqual(watcher.list(), list);
        return true;
    });
}

run([anyChanges]);
