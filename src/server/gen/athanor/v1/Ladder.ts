// Original file: proto/athanor/v1/training_steps.proto

import type { Training as _athanor_v1_Training, Training__Output as _athanor_v1_Training__Output } from '../../athanor/v1/Training.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Ladder side-tuning: a narrow copy of some layers reads what the layers of the frozen model answer, and its own answer goes to the model's head. No
 * gradient goes through the model. The result is one model, which is served and stored like any other; it takes a little more time, not less.
 */
export interface Ladder {
  /**
   * What width, heads and neurons of the model are divided by; it divides them all. A model with fewer heads gets a side network of one. Default 8.
   */
  'reduction'?: (number);
  /**
   * Layers that are read, by index from 0. Empty: all.
   */
  'layers'?: (number)[];
  /**
   * What the side network begins with: "pruned" (the part of the model that the loss minds most; default; needs calibration text) or "random".
   */
  'initial'?: (string);
  /**
   * A last gate mixes what the model itself answers into what the side network answers. Default false.
   */
  'mixOutput'?: (boolean);
  /**
   * Whether the head of a classifier trains too. Default true.
   */
  'trainHead'?: (boolean);
  /**
   * How the answers of the frozen model are kept on disk, so that it runs once for every example: "auto" (as "float32" where there is more than one
   * epoch, else "none"; default), "none", "float32" or "float16".
   */
  'cache'?: (string);
  /**
   * Room for them; the model runs every time for examples beyond it. Default 8 GiB.
   */
  'cacheBytes'?: (number | string | Long);
  /**
   * Of random first weights and of the order of the data. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How it trains. The data alone teaches unless a teacher is named; the learning rate is 0.003 unless one is given.
   */
  'training'?: (_athanor_v1_Training | null);
  '_reduction'?: "reduction";
  '_initial'?: "initial";
  '_mixOutput'?: "mixOutput";
  '_trainHead'?: "trainHead";
  '_cache'?: "cache";
  '_cacheBytes'?: "cacheBytes";
  '_seed'?: "seed";
}

/**
 * Ladder side-tuning: a narrow copy of some layers reads what the layers of the frozen model answer, and its own answer goes to the model's head. No
 * gradient goes through the model. The result is one model, which is served and stored like any other; it takes a little more time, not less.
 */
export interface Ladder__Output {
  /**
   * What width, heads and neurons of the model are divided by; it divides them all. A model with fewer heads gets a side network of one. Default 8.
   */
  'reduction'?: (number);
  /**
   * Layers that are read, by index from 0. Empty: all.
   */
  'layers': (number)[];
  /**
   * What the side network begins with: "pruned" (the part of the model that the loss minds most; default; needs calibration text) or "random".
   */
  'initial'?: (string);
  /**
   * A last gate mixes what the model itself answers into what the side network answers. Default false.
   */
  'mixOutput'?: (boolean);
  /**
   * Whether the head of a classifier trains too. Default true.
   */
  'trainHead'?: (boolean);
  /**
   * How the answers of the frozen model are kept on disk, so that it runs once for every example: "auto" (as "float32" where there is more than one
   * epoch, else "none"; default), "none", "float32" or "float16".
   */
  'cache'?: (string);
  /**
   * Room for them; the model runs every time for examples beyond it. Default 8 GiB.
   */
  'cacheBytes'?: (number);
  /**
   * Of random first weights and of the order of the data. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How it trains. The data alone teaches unless a teacher is named; the learning rate is 0.003 unless one is given.
   */
  'training': (_athanor_v1_Training__Output | null);
  '_reduction'?: "reduction";
  '_initial'?: "initial";
  '_mixOutput'?: "mixOutput";
  '_trainHead'?: "trainHead";
  '_cache'?: "cache";
  '_cacheBytes'?: "cacheBytes";
  '_seed'?: "seed";
}
