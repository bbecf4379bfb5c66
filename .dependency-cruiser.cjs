// Layering rules, all generated from the two tables below: which folder stands above which, and who may use which package.

/** Folders of one rank are neighbours: a folder imports only itself and lower ranks. */
const ranks = [
  ['base'],
  ['tensor'],
  ['linalg', 'graph'],
  ['engine'],
  ['models', 'text'],
  ['store'], // files hold models, so it stands above them
  ['teaching', 'train', 'serve'],
  ['compress', 'distill', 'evaluate'],
  ['jobs', 'report', 'access'],
  ['server', 'http', 'telemetry'],
  ['cli'],
];

/** The only homes of each outside package or part of Node, as folders below src/; `main.ts` counts as cli. */
const homes = [
  { modules: ['munkres'], folders: ['linalg'] },
  { modules: ['onnxruntime-node', 'koffi'], folders: ['engine/onnx'] },
  { modules: ['@tensorflow/[^/]+'], folders: ['engine/tensorflow'] },
  { modules: ['(node:)?worker_threads'], folders: ['engine', 'serve'] },
  { modules: ['@huggingface/tokenizers', '@huggingface/jinja'], folders: ['text'] },
  { modules: ['@aws-sdk/[^/]+'], folders: ['store'] },
  { modules: ['libsql', '@temporalio/[^/]+'], folders: ['jobs'] },
  { modules: ['vega', 'vega-lite'], folders: ['report'] },
  { modules: ['@grpc/[^/]+'], folders: ['server'] },
  { modules: ['@opentelemetry/[^/]+'], folders: ['telemetry'] },
  { modules: ['jose'], folders: ['access'] },
  { modules: ['commander', 'cli-progress'], folders: ['cli'] },
  // All start a process or a thread whose code is TypeScript.
  { modules: ['tsx'], folders: ['engine/tensorflow', 'jobs', 'serve', 'cli'] },
  { modules: ['yaml'], folders: ['jobs', 'cli'] },
  // Whoever reads something from outside checks it; the core below is given checked values.
  {
    modules: ['zod'],
    folders: [
      'models',
      'text',
      'store',
      'teaching',
      'train',
      'serve',
      'compress',
      'distill',
      'evaluate',
      'jobs',
      'access',
      'server',
      'http',
      'cli',
    ],
  },
  // The core and the domain have no files and no network of their own.
  { modules: ['(node:)?fs(/promises)?'], folders: ['engine', 'text', 'store', 'jobs', 'report', 'access', 'server', 'telemetry', 'cli'] },
  { modules: ['(node:)?(net|tls|dgram|https?|http2)'], folders: ['server', 'http', 'telemetry', 'cli'] },
];

/** Folders inside a folder that have a public face of their own (`#engine/onnx`). */
const innerFaces = ['engine/onnx', 'engine/open', 'engine/reference', 'engine/tensorflow'];

const folders = ranks.flat();
const anyOf = (names) => `(${names.join('|')})`;
/** Files of these folders; the cli includes main.ts. */
const filesOf = (names) => `^src/(${anyOf(names)}/${names.includes('cli') ? '|main\\.ts$' : ''})`;

const rankRules = folders.map((folder) => {
  const rank = ranks.findIndex((names) => names.includes(folder));
  const forbidden = ranks
    .slice(rank)
    .flat()
    .filter((name) => name !== folder);
  return {
    name: `rank-of-${folder}`,
    comment: `${folder} has rank ${rank}: it may import only itself and folders of a lower rank`,
    severity: 'error',
    from: { path: filesOf([folder]) },
    to: { path: forbidden.length === 0 ? '^$' : `${filesOf(forbidden)}` },
  };
});

const homeRules = homes.map(({ modules, folders: allowed }) => ({
  name: `home-of-${modules[0].replace(/[^a-z0-9]+/gi, '-').replace(/^-|-$/g, '')}`,
  comment: `${modules.join(', ')}: only in ${allowed.join(', ')}`,
  severity: 'error',
  from: { path: '^src/', pathNot: filesOf(allowed) },
  to: { path: `^(node_modules/|node_modules/@types/)?${anyOf(modules)}(/|$)` },
}));

const named = homes.flatMap(({ modules }) => modules);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...rankRules,
    ...homeRules,
    {
      name: 'no-package-without-a-home',
      comment: 'give the package its home in the table above',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^node_modules/', pathNot: `^node_modules/(@types/)?${anyOf(named)}(/|$)` },
    },
    {
      name: 'through-the-index',
      comment: 'another folder is entered through its index (#graph, not #graph/verify)',
      severity: 'error',
      from: { path: `^src/${anyOf(folders)}/`, pathNot: '^src/cli/' },
      to: { path: `^src/${anyOf(folders)}/`, pathNot: ['^src/$1/', `^src/${anyOf([...folders, ...innerFaces])}/index\\.ts$`] },
    },
    {
      name: 'cli-through-the-index',
      comment: 'another folder is entered through its index',
      severity: 'error',
      from: { path: '^src/(cli/|main\\.ts$)' },
      to: { path: `^src/${anyOf(folders)}/`, pathNot: ['^src/cli/', `^src/${anyOf([...folders, ...innerFaces])}/index\\.ts$`] },
    },
    { name: 'no-cycle', comment: 'type-only imports count', severity: 'error', from: {}, to: { circular: true } },
    { name: 'every-import-resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-test-code-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|clients|deploy)/' },
    },
    {
      name: 'only-declared-packages',
      comment: 'src/ runs where the development packages are not installed',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: '^node_modules/@types/' },
    },
    {
      name: 'every-folder-has-a-rank',
      comment: 'add the folder to the rank table above',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(${anyOf(folders)}/|main\\.ts$)` },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(gen|fixtures)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    moduleSystems: ['es6', 'cjs'],
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
      extensions: ['.ts', '.js', '.cjs', '.mjs', '.d.ts'],
    },
  },
};
