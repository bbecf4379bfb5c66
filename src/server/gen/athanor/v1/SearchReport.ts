// Original file: proto/athanor/v1/compression_report.proto

import type { SearchTrial as _athanor_v1_SearchTrial, SearchTrial__Output as _athanor_v1_SearchTrial__Output } from '../../athanor/v1/SearchTrial.ts';

/**
 * What a search tried.
 */
export interface SearchReport {
  /**
   * In the order in which they were made.
   */
  'trials'?: (_athanor_v1_SearchTrial)[];
  /**
   * Index of the trial that is the result; absent where the model was within the target already.
   */
  'chosen'?: (number);
  /**
   * What ended it: "trials", "minutes", or "exhausted" where nothing was left to try.
   */
  'ended'?: (string);
  '_chosen'?: "chosen";
}

/**
 * What a search tried.
 */
export interface SearchReport__Output {
  /**
   * In the order in which they were made.
   */
  'trials': (_athanor_v1_SearchTrial__Output)[];
  /**
   * Index of the trial that is the result; absent where the model was within the target already.
   */
  'chosen'?: (number);
  /**
   * What ended it: "trials", "minutes", or "exhausted" where nothing was left to try.
   */
  'ended': (string);
  '_chosen'?: "chosen";
}
