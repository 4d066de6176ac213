const ms = require('ms');

exports.wait = text => ms(ms(text), { long: true });
