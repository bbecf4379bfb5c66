// Just enough of Prometheus' formats to tell whether a query can find anything: the series of a scrape, the selectors of a query.

/** Values of each label of each metric. */
export type Scrape = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
  /** Labels that the result is grouped by around it. */
  readonly groupedBy: readonly string[];
}

/** Reads the text exposition format. */
export function parseScrape(text: string): Scrape {
  const found = new Map<string, Map<string, Set<string>>>();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match === null) continue;
    const [, metric = '', labels = ''] = match;
    const values = found.get(metric) ?? new Map<string, Set<string>>();
    found.set(metric, values);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      values.set(label, (values.get(label) ?? new Set()).add(value));
  }
  return found;
}

/** Words of the language that look like metrics. */
const keywords = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'and', 'or', 'unless', 'bool', 'offset', 'le']);

/**
 * The selectors of a query.
 *
 * Limit: strings hold no braces, and groupings are written before their operand: `sum by (le) (…)`.
 */
export function selectorsOf(query: string): readonly Selector[] {
  const [, variable, label] = /^label_values\((\w+), *(\w+)\)$/.exec(query) ?? [];
  if (variable !== undefined && label !== undefined) return [{ metric: variable, matchers: [], groupedBy: [label] }];
  const groupedBy = [...query.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(',').map((label) => label.trim()));
  const rest = query
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\$\w+/g, '');
  const selectors: Selector[] = [];
  for (const [, metric = '', labels = '', next = ''] of rest.matchAll(/(?<![\w"])([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?\s*(\(?)/g)) {
    if (next === '(' || keywords.has(metric)) continue;
    const matchers = [...labels.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)].map(
      ([, label = '', operator = '', value = '']) => ({ label, operator, value }),
    );
    selectors.push({ metric, matchers, groupedBy });
  }
  return selectors;
}

/** Every PromQL expression in a Grafana dashboard: of panels and of variables. */
export function queriesOf(dashboard: unknown): readonly string[] {
  if (typeof dashboard !== 'object' || dashboard === null) return [];
  return Object.entries(dashboard).flatMap(([key, value]) => {
    if (typeof value === 'string') return key === 'expr' || key === 'definition' ? [value] : [];
    return queriesOf(value);
  });
}
