// Original file: proto/athanor/v1/recipe.proto


/**
 * Subformer's self-attentive factorized embedding.
 */
export interface SafeEmbedding {
  /**
   * Of the table: below the width of the model.
   */
  'width'?: (number);
  /**
   * Of the small layer's attention. Default 4.
   */
  'heads'?: (number);
  '_width'?: "width";
  '_heads'?: "heads";
}

/**
 * Subformer's self-attentive factorized embedding.
 */
export interface SafeEmbedding__Output {
  /**
   * Of the table: below the width of the model.
   */
  'width'?: (number);
  /**
   * Of the small layer's attention. Default 4.
   */
  'heads'?: (number);
  '_width'?: "width";
  '_heads'?: "heads";
}
