// Two engines of graphql-redis-subscriptions, as two servers of an API have them.
// Usage: graphql_subscriptions.cjs (own|given) PORT (default|2|3)
//
// With `own` connections the engine connects with the older ioredis that it brings along, which knows no protocols.

const assert = require('node:assert');
const { buildSchema, parse, subscribe } = require('graphql');
const { RedisPubSub } = require('graphql-redis-subscriptions');
const { Inbox, eventually, run, within } = require('../support.cjs');
const { connect, killSubscribers } = require('./broker.cjs');

const [connections, port, protocol] = process.argv.slice(2);
const schema = buildSchema(`
    type Message { room: String! text: String! }
    type Query { nothing: Int }
    type Subscription { room(name: String!): Message everyRoom: Message }
`);

// A server of the API.
class Server {
    async start() {
        const given = async () => ({
            publisher: await connect('ioredis', port, protocol),
            subscriber: await connect('ioredis', port, protocol),
        });
        this.pubsub = new RedisPubSub(connections === 'own' ? { connection: { port: Number(port) } } : await given());
        // What the engine tells the broker on its subscribing connection.
        this.sent = [];
        const subscriber = this.pubsub.getSubscriber();
        const sendCommand = subscriber.sendCommand.bind(subscriber);
        subscriber.sendCommand = (command, ...rest) => {
            this.sent.push([command.name, ...command.args].join(' '));
            return sendCommand(command, ...rest);
        };
        return this;
    }

    publish(room, text) {
        const message = { room, text };
        return this.pubsub.publish(`room.${room}`, { room: message, everyRoom: message });
    }

    // A client's subscription. What it brings is in the inbox.
    async subscribe(query) {
        const rootValue = {
            room: ({ name }) => this.pubsub.asyncIterableIterator(`room.${name}`),
            everyRoom: () => this.pubsub.asyncIterableIterator('room.*', { pattern: true }),
        };
        const inbox = new Inbox();
        const events = await subscribe({ schema, document: parse(`subscription { ${query} }`), rootValue });
        assert.strictEqual(events.errors, undefined);
        inbox.ended = (async () => {
            for await (const { data, errors } of events) inbox.put(errors ?? { ...Object.values(data)[0] });
        })();
        inbox.end = () => within('a subscription ends', Promise.all([events.return(), inbox.ended]));
        return inbox;
    }
}

const ROOM = (name) => `room(name: "${name}") { text }`;
const EVERY_ROOM = 'everyRoom { room text }';

let broker, first, second;

async function connects() {
    broker = await connect('ioredis', port, 'default');
    [first, second] = [await new Server().start(), await new Server().start()];
}

// A subscription begins with its first event being awaited, and nobody is told when the broker has confirmed it.
async function listen(channels, patterns) {
    await eventually(`${JSON.stringify(channels)} and ${patterns} patterns are subscribed to`, async () => {
        const counts = await broker.pubsub('NUMSUB', ...Object.keys(channels));
        const patternsNow = await broker.pubsub('NUMPAT');
        return counts.join() === Object.entries(channels).join() && patternsNow === patterns;
    });
}

async function subscriptionsOfBothServers() {
    const [red, alsoRed] = [await first.subscribe(ROOM('red')), await second.subscribe(ROOM('red'))];
    const blue = await second.subscribe(ROOM('blue'));
    await listen({ 'room.red': 2, 'room.blue': 1 }, 0);
    for (const server of [first, second]) {
        await server.publish('red', 'grüß dich');
        await server.publish('blue', 'hello');
        await server.publish('nobody is here', 'hello');
        for (const inbox of [red, alsoRed]) await inbox.expect({ text: 'grüß dich' });
        await blue.expect({ text: 'hello' });
    }
    for (let number = 0; number < 1000; number++) first.publish('red', String(number));
    for (const inbox of [red, alsoRed]) {
        for (let number = 0; number < 1000; number++) await inbox.expect({ text: String(number) });
    }
    for (const inbox of [red, alsoRed, blue]) {
        await inbox.end();
        inbox.assertEmpty();
    }
    await listen({ 'room.red': 0, 'room.blue': 0 }, 0);
}

async function patterns() {
    const [every, alsoEvery] = [await first.subscribe(EVERY_ROOM), await second.subscribe(EVERY_ROOM)];
    const red = await second.subscribe(ROOM('red'));
    await eventually('both have the pattern', async () => {
        const list = await broker.client('LIST', 'TYPE', 'pubsub');
        return list.match(/ psub=1 /g)?.length === 2;
    });
    await listen({ 'room.red': 1 }, 1);
    for (const server of [first, second]) {
        await server.publish('red', 'hello');
        await server.publish('blue', 'hello');
        for (const inbox of [every, alsoEvery]) {
            await inbox.expect({ room: 'red', text: 'hello' });
            await inbox.expect({ room: 'blue', text: 'hello' });
        }
        await red.expect({ text: 'hello' });
    }
    await every.end();
    await alsoEvery.end();
    await listen({ 'room.red': 1 }, 0);
    await first.publish('red', 'still');
    await red.expect({ text: 'still' });
    await red.end();
    for (const inbox of [every, alsoEvery, red]) inbox.assertEmpty();
    await listen({ 'room.red': 0 }, 0);
}

async function theLastSubscriberUnsubscribes() {
    first.sent = [];
    const [one, other] = [await first.subscribe(ROOM('red')), await first.subscribe(ROOM('red'))];
    await listen({ 'room.red': 1 }, 0);
    await second.publish('red', 'to both');
    await one.expect({ text: 'to both' });
    await other.expect({ text: 'to both' });
    await one.end();
    await second.publish('red', 'to the other');
    await other.expect({ text: 'to the other' });
    one.assertEmpty();
    assert.deepStrictEqual(first.sent, ['subscribe room.red']);
    await other.end();
    assert.deepStrictEqual(first.sent, ['subscribe room.red', 'unsubscribe room.red', 'punsubscribe room.red']);
    await listen({ 'room.red': 0 }, 0);
    // The answers to both have been understood: the next ones are not taken for them.
    const again = await first.subscribe(ROOM('red'));
    await listen({ 'room.red': 1 }, 0);
    await second.publish('red', 'again');
    await again.expect({ text: 'again' });
    await again.end();
    await listen({ 'room.red': 0 }, 0);
    // An ordinary connection again.
    assert.strictEqual(await first.pubsub.getSubscriber().echo('hello'), 'hello');
}

async function recoversWhenKilled() {
    const [red, every] = [await first.subscribe(ROOM('red')), await first.subscribe(EVERY_ROOM)];
    await listen({ 'room.red': 1 }, 1);
    assert.strictEqual(await killSubscribers(broker), 1);
    await second.publish('red', 'again');
    await red.expect({ text: 'again' });
    await every.expect({ room: 'red', text: 'again' });
    await red.end();
    await every.end();
}

async function closes() {
    for (const { pubsub } of [first, second]) assert.deepStrictEqual(await pubsub.close(), ['OK', 'OK']);
}

run([
    connects,
    subscriptionsOfBothServers,
    patterns,
    theLastSubscriberUnsubscribes,
    recoversWhenKilled,
    closes,
]);
