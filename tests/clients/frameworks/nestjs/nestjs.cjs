// Two NestJS applications that talk to each other over the Redis transport.
// Usage: nestjs.cjs PORT (default|2|3)

const assert = require('node:assert');
const Redis = require('ioredis');
const { from, lastValueFrom, throwError, toArray } = require('rxjs');
require('reflect-metadata');
const { Inbox, eventually, run, within } = require('../../support.cjs');

const port = Number(process.argv[2]);
const protocol = process.argv[3];

// Nest is made of ES modules, which are imported from where NODE_PATH finds them.
const load = (name) => import(require.resolve(name));

let nest, broker, orders, stock;

// An application with a controller that has these handlers, and a client for calling other applications.
class Application {
    async start(requests, events, options = {}) {
        const { Controller, Module, NestFactory } = nest;
        const { ClientProxyFactory, Ctx, EventPattern, MessagePattern, Payload, Transport } = nest;
        // Without attempts Nest gives up a connection that is lost.
        const connection = { port, retryAttempts: 1000, retryDelay: 10 };
        if (protocol !== 'default') connection.protocol = Number(protocol);
        const transport = { transport: Transport.REDIS, options: { ...connection, ...options } };
        // What decorators do where a compiler knows them.
        class Handlers {}
        for (const [decorator, handlers] of [
            [MessagePattern, requests],
            [EventPattern, events],
        ]) {
            for (const [name, pattern, handler] of handlers) {
                const descriptor = { value: handler, writable: true, configurable: true };
                Object.defineProperty(Handlers.prototype, name, descriptor);
                decorator(pattern)(Handlers.prototype, name, descriptor);
                Payload()(Handlers.prototype, name, 0);
                Ctx()(Handlers.prototype, name, 1);
            }
        }
        Controller()(Handlers);
        class Root {}
        Module({ controllers: [Handlers] })(Root);
        this.service = await NestFactory.createMicroservice(Root, { ...transport, logger: ['error', 'warn', 'fatal'] });
        await within('an application listens', this.service.listen());
        this.client = ClientProxyFactory.create(transport);
        await within('a client connects', this.client.connect());
        return this;
    }

    request(pattern, data) {
        return within(`an answer to ${pattern}`, lastValueFrom(this.client.send(pattern, data)));
    }

    emit(pattern, data) {
        return within(`${pattern} is sent`, lastValueFrom(this.client.emit(pattern, data), { defaultValue: null }));
    }

    async close() {
        await within('a client closes', this.client.close());
        await within('an application closes', this.service.close());
    }
}

// Nest does not wait for the confirmation of its subscriptions.
async function listeners(channels) {
    await eventually(`${JSON.stringify(channels)} are subscribed to`, async () => {
        const counts = await broker.pubsub('NUMSUB', ...Object.keys(channels));
        return counts.join() === Object.entries(channels).join();
    });
}

async function applicationsStart() {
    nest = {
        ...(await load('@nestjs/common')),
        ...(await load('@nestjs/core')),
        ...(await load('@nestjs/microservices')),
    };
    broker = new Redis({ port });
    const heard = [new Inbox(), new Inbox()];
    orders = await new Application().start(
        [
            ['total', 'orders.total', ({ prices }) => prices.reduce((sum, price) => sum + price, 0)],
            ['sum', { command: 'sum' }, ({ left, right }) => left + right],
        ],
        [['sold', 'sold', (data) => heard[0].put(data)]],
    );
    stock = await new Application().start(
        [
            ['count', 'stock.count', async ({ name }, context) => `${context.getChannel()} of ${name}: ${name.length}`],
            ['list', 'stock.list', () => from(['one', 'two', 'three'])],
            ['fail', 'stock.fail', () => throwError(() => new nest.RpcException('nothing is left'))],
        ],
        [['sold', 'sold', (data) => heard[1].put(data)]],
    );
    [orders.heard, stock.heard] = heard;
    await listeners({
        'orders.total': 1,
        '{"command":"sum"}': 1,
        'stock.count': 1,
        'stock.list': 1,
        'stock.fail': 1,
        sold: 2,
    });
}

async function requests() {
    assert.strictEqual(await stock.request('orders.total', { prices: [1, 2, 39] }), 42);
    assert.strictEqual(await stock.request({ command: 'sum' }, { left: 3, right: 4 }), 7);
    assert.strictEqual(await orders.request('stock.count', { name: 'grüß' }), 'stock.count of grüß: 4');
    await assert.rejects(orders.request('stock.fail', {}), { message: 'nothing is left' });
    // Who has its answer listens no longer.
    await listeners({ 'orders.total.reply': 0, 'stock.count.reply': 0, 'stock.fail.reply': 0 });
}

async function answersOfManyParts() {
    const parts = await within('all parts', lastValueFrom(orders.client.send('stock.list', {}).pipe(toArray())));
    assert.deepStrictEqual(parts, ['one', 'two', 'three']);
}

async function manyRequestsAtOnce() {
    const numbers = Array.from({ length: 500 }, (_, number) => number);
    const sums = await Promise.all(numbers.map((number) => stock.request('orders.total', { prices: [number, 1] })));
    assert.deepStrictEqual(sums, numbers.map((number) => number + 1));
}

async function events() {
    for (const application of [orders, stock]) {
        for (let number = 0; number < 100; number++) await application.emit('sold', { number });
        await application.emit('nobody listens', {});
        for (const { heard } of [orders, stock]) {
            for (let number = 0; number < 100; number++) await heard.expect({ number });
            heard.assertEmpty();
        }
    }
}

async function recoversWhenKilled() {
    const subscribers = async () => (await broker.client('LIST', 'TYPE', 'pubsub')).match(/^id=\d+/gm) ?? [];
    const killed = await subscribers();
    assert.strictEqual(await broker.client('KILL', 'TYPE', 'pubsub'), killed.length);
    await eventually('the killed are gone', async () => {
        const clients = await broker.client('LIST');
        return !killed.some((id) => clients.includes(`${id} `));
    });
    await listeners({ 'orders.total': 1, 'stock.count': 1, sold: 2 });
    await requests();
    await events();
}

async function wildcards() {
    for (const application of [orders, stock]) await application.close();
    await listeners({ 'orders.total': 0, 'stock.count': 0, sold: 0 });
    const heard = [new Inbox(), new Inbox()];
    const hear = (inbox) => (data, context) => inbox.put(context.getChannel(), data);
    orders = await new Application().start([], [['sold', 'sold.*', hear(heard[0])]], { wildcards: true });
    stock = await new Application().start(
        [['count', 'count.?', (data, context) => `${data} of ${context.getChannel()}`]],
        [
            ['sold', 'sold.*', hear(heard[1])],
            ['lost', '[lm]ost.*', hear(heard[1])],
        ],
        { wildcards: true },
    );
    await eventually('the patterns are subscribed to', async () => {
        const list = await broker.client('LIST', 'TYPE', 'pubsub');
        return list.match(/ psub=\d+ /g)?.sort().join() === ' psub=1 , psub=3 ';
    });
    assert.strictEqual(await broker.pubsub('NUMPAT'), 3);
    for (const application of [orders, stock]) {
        await application.emit('sold.apple', 1);
        await application.emit('lost.pear', 2);
        await application.emit('cost.plum', 3);
        await application.emit('sold.', 4);
        for (const inbox of heard) await inbox.expect('sold.apple', 1);
        await heard[1].expect('lost.pear', 2);
        for (const inbox of heard) await inbox.expect('sold.', 4);
        for (const inbox of heard) inbox.assertEmpty();
    }
    assert.strictEqual(await orders.request('count.a', 5), '5 of count.a');
    assert.strictEqual(await orders.request('count.b', 6), '6 of count.b');
    for (const application of [orders, stock]) await application.close();
    await eventually('nothing is subscribed to', async () => (await broker.pubsub('NUMPAT')) === 0);
}

run([applicationsStart, requests, answersOfManyParts, manyRequestsAtOnce, events, recoversWhenKilled, wildcards]);
