// Original file: proto/athanor/v1/recipe.proto


/**
 * Sums of Kronecker products W ≈ P·(Σ A⊗B)·Q. Either `ratio`, or `terms` and `shape`, or a `layout` other than "default" says the sizes.
 */
export interface Kronecker {
  /**
   * Stored bytes of the chosen matrices afterwards, relative to before: 0 < ratio <= 1. Terms and shapes follow from it.
   */
  'ratio'?: (number | string);
  /**
   * Number of products in each sum; goes with `shape`.
   */
  'terms'?: (number);
  /**
   * Rows and columns of the small factor B; goes with `terms`.
   */
  'shape'?: (number)[];
  /**
   * What may be put in another order: "none", "hidden" (units between two layers, free at run time) or "all" (also the residual sides, by
   * stored orders). Default: "all", with layout "kngpt2" "none".
   */
  'permute'?: (string);
  /**
   * Fixed matrices and sizes: "default" (none), "tqcompressor" or "kngpt2".
   */
  'layout'?: (string);
  /**
   * How orders are searched for: "continuation" (few products first; default) or "alternation".
   */
  'search'?: (string);
  /**
   * "tied": the head stays the transposed embedding (default). "untied": it becomes a matrix of its own (default of the other layouts).
   */
  'head'?: (string);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks, or of the layout.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Every step has a seed; nothing in this one is random.
   */
  'seed'?: (number);
  '_ratio'?: "ratio";
  '_terms'?: "terms";
  '_permute'?: "permute";
  '_layout'?: "layout";
  '_search'?: "search";
  '_head'?: "head";
  '_seed'?: "seed";
}

/**
 * Sums of Kronecker products W ≈ P·(Σ A⊗B)·Q. Either `ratio`, or `terms` and `shape`, or a `layout` other than "default" says the sizes.
 */
export interface Kronecker__Output {
  /**
   * Stored bytes of the chosen matrices afterwards, relative to before: 0 < ratio <= 1. Terms and shapes follow from it.
   */
  'ratio'?: (number);
  /**
   * Number of products in each sum; goes with `shape`.
   */
  'terms'?: (number);
  /**
   * Rows and columns of the small factor B; goes with `terms`.
   */
  'shape': (number)[];
  /**
   * What may be put in another order: "none", "hidden" (units between two layers, free at run time) or "all" (also the residual sides, by
   * stored orders). Default: "all", with layout "kngpt2" "none".
   */
  'permute'?: (string);
  /**
   * Fixed matrices and sizes: "default" (none), "tqcompressor" or "kngpt2".
   */
  'layout'?: (string);
  /**
   * How orders are searched for: "continuation" (few products first; default) or "alternation".
   */
  'search'?: (string);
  /**
   * "tied": the head stays the transposed embedding (default). "untied": it becomes a matrix of its own (default of the other layouts).
   */
  'head'?: (string);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks, or of the layout.
   */
  'include': (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Every step has a seed; nothing in this one is random.
   */
  'seed'?: (number);
  '_ratio'?: "ratio";
  '_terms'?: "terms";
  '_permute'?: "permute";
  '_layout'?: "layout";
  '_search'?: "search";
  '_head'?: "head";
  '_seed'?: "seed";
}
