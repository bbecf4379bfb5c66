// Original file: proto/athanor/v1/training_steps.proto

import type { Training as _athanor_v1_Training, Training__Output as _athanor_v1_Training__Output } from '../../athanor/v1/Training.ts';

/**
 * Parameter-efficient adaptation of a frozen model.
 */
export interface Lora {
  /**
   * What trains: "lora" (low-rank products beside matrices, added to them at the end; default), "adapter" (bottlenecks behind both parts of every
   * layer), "prompt" (rows in front of every text) or "bitfit" (biases). Adapters and prompts stay in the model.
   */
  'method'?: (string);
  /**
   * Of "lora": 1 <= rank <= smaller side of every matrix. Default 8.
   */
  'rank'?: (number);
  /**
   * Of "lora": the product counts alpha/rank times. Default: twice the rank.
   */
  'alpha'?: (number | string);
  /**
   * Of "adapter": the bottleneck. Default 16.
   */
  'width'?: (number);
  /**
   * Of "prompt": rows, which take positions from the text. Default 20.
   */
  'length'?: (number);
  /**
   * Of "lora": patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Whether the head of a classifier trains too. Default true.
   */
  'trainHead'?: (boolean);
  /**
   * Of random first values and of the order of the data. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How it trains. The data alone teaches unless a teacher is named; the learning rate is 0.001 ("prompt": 0.01) unless one is given.
   */
  'training'?: (_athanor_v1_Training | null);
  '_method'?: "method";
  '_rank'?: "rank";
  '_alpha'?: "alpha";
  '_width'?: "width";
  '_length'?: "length";
  '_trainHead'?: "trainHead";
  '_seed'?: "seed";
}

/**
 * Parameter-efficient adaptation of a frozen model.
 */
export interface Lora__Output {
  /**
   * What trains: "lora" (low-rank products beside matrices, added to them at the end; default), "adapter" (bottlenecks behind both parts of every
   * layer), "prompt" (rows in front of every text) or "bitfit" (biases). Adapters and prompts stay in the model.
   */
  'method'?: (string);
  /**
   * Of "lora": 1 <= rank <= smaller side of every matrix. Default 8.
   */
  'rank'?: (number);
  /**
   * Of "lora": the product counts alpha/rank times. Default: twice the rank.
   */
  'alpha'?: (number);
  /**
   * Of "adapter": the bottleneck. Default 16.
   */
  'width'?: (number);
  /**
   * Of "prompt": rows, which take positions from the text. Default 20.
   */
  'length'?: (number);
  /**
   * Of "lora": patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks.
   */
  'include': (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Whether the head of a classifier trains too. Default true.
   */
  'trainHead'?: (boolean);
  /**
   * Of random first values and of the order of the data. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How it trains. The data alone teaches unless a teacher is named; the learning rate is 0.001 ("prompt": 0.01) unless one is given.
   */
  'training': (_athanor_v1_Training__Output | null);
  '_method'?: "method";
  '_rank'?: "rank";
  '_alpha'?: "alpha";
  '_width'?: "width";
  '_length'?: "length";
  '_trainHead'?: "trainHead";
  '_seed'?: "seed";
}
