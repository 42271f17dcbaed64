// A deadline for every wait, a queue of what came, the line to whoever can restart the server, and the order of the checks.

const assert = require('node:assert');
const readline = require('node:readline');

// Far more than anything takes, in milliseconds.
const DEADLINE = 50_000;

// The promise, or an error that says what was awaited.
function within(what, promise, deadline = DEADLINE) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`did not happen: ${what}`)), deadline);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
exports.within = within;

// What events brought, to be awaited one by one.
exports.Inbox = class Inbox {
    constructor() {
        this.items = [];
        this.waiting = [];
        this.put = (...item) => {
            const next = this.waiting.shift();
            if (next) next(item);
            else this.items.push(item);
        };
    }

    take() {
        if (this.items.length > 0) return this.items.shift();
        return within('a message', new Promise((resolve) => this.waiting.push(resolve)));
    }

    async expect(...item) {
        assert.deepStrictEqual(await this.take(), item);
    }

    assertEmpty() {
        assert.deepStrictEqual(this.items, []);
    }
};

// A condition that fails is one that does not hold yet: the server may be gone at that moment.
exports.eventually = async function eventually(what, condition) {
    const until = Date.now() + DEADLINE;
    for (;;) {
        let failure;
        try {
            if (await within(what, condition())) return;
        } catch (error) {
            failure = error;
        }
        assert.ok(Date.now() < until, `did not happen: ${what}${failure ? `: ${failure.stack}` : ''}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
};

let answers;

// Has the server killed and started again on the same port.
exports.restartServer = async function restartServer() {
    answers ??= readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    console.log('restart');
    const { value } = await within('a restart', answers.next());
    assert.strictEqual(value, 'restarted');
};

exports.run = async function run(checks) {
    for (const check of checks) {
        console.log(check.name);
        // Longer than any single wait, so that it is told which one did not end.
        await within(check.name, check(), 2 * DEADLINE);
    }
    console.log('all done');
    // Connections that reconnect by themselves would keep the process alive.
    process.exit(0);
};

process.on('unhandledRejection', (error) => {
    console.error(error);
    process.exit(1);
});
