/* Runs before everything else, on any Node: no newer syntax, and no package. */
var needed = require('../package.json').engines.node.replace(/^>=/, '');
var wanted = needed.split('.').map(Number);
var found = process.versions.node.split('.').map(Number);
if (found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])) {
  process.stderr.write(
    'kilim: Node ' + needed + ' or newer is needed, and this is ' + process.versions.node + '.\n',
  );
  process.exit(1);
}
