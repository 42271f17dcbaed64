// What both Node scripts need: a deadline for every wait, a queue of what came, and the order of the checks.

const assert = require('node:assert');

// Far more than anything takes, in milliseconds.
const DEADLINE = 50_000;

exports.port = Number(process.argv[2]);
exports.protocol = process.argv[3] === 'default' ? undefined : Number(process.argv[3]);

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
    }

    put(...item) {
        const next = this.waiting.shift();
        if (next) next(item);
        else this.items.push(item);
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

exports.eventually = async function eventually(what, condition) {
    const until = Date.now() + DEADLINE;
    while (!(await condition())) {
        assert.ok(Date.now() < until, `did not happen: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
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
