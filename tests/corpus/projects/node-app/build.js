// Puts the version into the sources, with an argument parser that the result does not need.
const fs = require('node:fs');
const mri = require('mri');

const { out = 'dist' } = mri(process.argv.slice(2));
const { version } = require('./package.json');
fs.mkdirSync(out, { recursive: true });
for (const name of fs.readdirSync('src')) {
  fs.writeFileSync(`${out}/${name}`, fs.readFileSync(`src/${name}`, 'utf8').replaceAll('@VERSION@', version));
}
