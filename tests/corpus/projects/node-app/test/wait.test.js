const test = require('node:test');
const assert = require('node:assert');
const { wait } = require('../src/wait');

test('waits are long', () => assert.equal(wait('90m'), '2 hours'));
