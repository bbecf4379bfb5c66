// How deep lists and objects lie in one another: what recurses over values from outside must know that it ends.

/** Far above every file that means something, far below what fills the stack. */
export const mostNesting = 100;

/** Whether lists and objects are nested deeper than `most`; always for a value that holds itself. */
export function isNestedDeeper(value: unknown, most = mostNesting): boolean {
  const open: { readonly inner: readonly unknown[]; next: number }[] = [];
  const enter = (entered: unknown): void => {
    if (typeof entered === 'object' && entered !== null) open.push({ inner: Object.values(entered), next: 0 });
  };
  enter(value);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    if (open.length > most) return true;
    if (top.next === top.inner.length) open.pop();
    else enter(top.inner[top.next++]);
  }
  return false;
}
