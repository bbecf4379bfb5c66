// Every error code the program can answer with: its gRPC status and what a caller can do about it.

/** Canonical gRPC status names; `server/status.ts` alone maps them to numbers. */
export type StatusName =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'RESOURCE_EXHAUSTED'
  | 'ABORTED'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'CANCELLED'
  | 'DEADLINE_EXCEEDED'
  | 'UNIMPLEMENTED'
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
  | 'INTERNAL';

export interface ErrorEntry {
  readonly status: StatusName;
  /** What a caller can do, in one sentence; printed in the error reference. */
  readonly advice: string;
}

const entry = (status: StatusName, advice: string): ErrorEntry => ({ status, advice });

export const errorCatalogue = {
  // Graph and engine
  shape_mismatch: entry('INVALID_ARGUMENT', 'Check the sizes named in the message against the model config.'),
  dtype_mismatch: entry('INVALID_ARGUMENT', 'Cast the operand, or load the weights in the expected type.'),
  not_differentiable: entry('INVALID_ARGUMENT', 'Stop the gradient before this op, or train other parameters.'),
  provider_missing: entry('FAILED_PRECONDITION', 'Install the provider named in the message, or choose device cpu.'),
  engine_failure: entry('INTERNAL', 'The runtime refused the graph; the message holds its own words.'),
  out_of_memory: entry(
    'RESOURCE_EXHAUSTED',
    'Lower the batch size or sequence length, or unload a model; a job that trained is paused: then resume it.',
  ),
  device_lost: entry(
    'UNAVAILABLE',
    'Look at the driver, restart the server, and resume the job: it is paused and goes on from its checkpoint.',
  ),

  // Files and formats
  file_not_found: entry('NOT_FOUND', 'Check the path; it is read by the server, not by the client.'),
  file_not_allowed: entry('FAILED_PRECONDITION', 'Give the server permission, or choose another path.'),
  file_exists: entry('ALREADY_EXISTS', 'Choose another path, or remove what is there first.'),
  disk_full: entry('RESOURCE_EXHAUSTED', 'Free space in the store and run the job again.'),
  bad_safetensors: entry('INVALID_ARGUMENT', 'Download or write the checkpoint again.'),
  pickle_refused: entry('INVALID_ARGUMENT', 'Convert the checkpoint to safetensors; pickle files can run code.'),
  bad_config: entry('INVALID_ARGUMENT', 'Correct the named field of config.json.'),
  config_mismatch: entry('INVALID_ARGUMENT', 'Make config.json agree with the tensors in the checkpoint.'),
  unknown_architecture: entry('INVALID_ARGUMENT', 'See the list of supported architectures in the message.'),
  bad_tokenizer: entry('INVALID_ARGUMENT', 'Provide a valid Hugging Face tokenizer.json.'),
  tokenizer_mismatch: entry('INVALID_ARGUMENT', 'Use the tokenizer that the model was trained with.'),
  bad_weights: entry('INVALID_ARGUMENT', 'The checkpoint holds NaN or infinite values; use an earlier one.'),
  bad_artefact: entry('DATA_LOSS', 'The stored artefact is damaged; import or compress again.'),
  bad_recording: entry('DATA_LOSS', 'The recorded teacher is damaged or not whole; record it again.'),
  recording_mismatch: entry('FAILED_PRECONDITION', 'Train on the data and settings that were recorded, or record again.'),

  // Data
  empty_data: entry('INVALID_ARGUMENT', 'Give a text with at least one window of tokens.'),
  bad_encoding: entry('INVALID_ARGUMENT', 'Store the text as UTF-8.'),
  bad_data: entry('INVALID_ARGUMENT', 'Correct the named file or row.'),

  // Requests
  invalid_argument: entry('INVALID_ARGUMENT', 'Correct the named field.'),
  bad_recipe: entry('INVALID_ARGUMENT', 'Correct the named field of the recipe.'),
  rank_out_of_range: entry('INVALID_ARGUMENT', 'Choose a rank between 1 and the smaller side of the matrix.'),
  already_quantized: entry('INVALID_ARGUMENT', 'Quantize each matrix once, in the last step that touches it.'),
  cannot_slice: entry('INVALID_ARGUMENT', 'Prune structures before the step that stores the matrix in that form.'),
  already_shared: entry('INVALID_ARGUMENT', 'Share each layer once; exclude the layers that are shared.'),
  does_not_factor: entry('INVALID_ARGUMENT', 'Choose sizes that divide the sides of the matrix.'),
  modules_do_not_divide: entry('INVALID_ARGUMENT', 'Choose a number of modules that divides the layers of the model.'),
  schedule_misses_target: entry('INVALID_ARGUMENT', 'Give the schedule more steps, or a steeper rise.'),
  pattern_matches_nothing: entry('INVALID_ARGUMENT', 'List the parameter names with `athanor show MODEL`.'),
  not_enough_samples: entry('INVALID_ARGUMENT', 'Give more calibration text.'),
  model_not_found: entry('NOT_FOUND', 'List the models with `athanor models`.'),
  model_not_ready: entry('UNAVAILABLE', 'Load the model first; a client has unloaded it.'),
  model_exists: entry('ALREADY_EXISTS', 'Choose another name, or delete the model first.'),
  name_taken: entry('ALREADY_EXISTS', 'Another job is writing this name; wait for it or choose another name.'),
  bad_name: entry('INVALID_ARGUMENT', 'Use letters, digits, dot, dash and underscore, at most 128 characters.'),
  store_in_use: entry('FAILED_PRECONDITION', 'Stop the other process, or choose another store.'),
  job_not_found: entry('NOT_FOUND', 'List the jobs with `athanor jobs`.'),
  unauthenticated: entry('UNAUTHENTICATED', 'Send a token that this server knows (`authorization: Bearer …`), or a client certificate.'),
  permission_denied: entry('PERMISSION_DENIED', 'Ask whoever runs the server for a role that may do this.'),
  rate_limited: entry('RESOURCE_EXHAUSTED', 'Wait as long as retryAfterMs says, then send the request again.'),
  not_promoted: entry('FAILED_PRECONDITION', 'Follow the message: evaluate the model, improve it, or set other thresholds.'),
  too_many_jobs: entry('RESOURCE_EXHAUSTED', 'Wait for jobs to end, or cancel some.'),
  crash_loop: entry('ABORTED', 'The job is paused; look at the log for what ends its process, then resume or cancel it.'),
  service_not_found: entry('NOT_FOUND', 'List the services by reflection or by health.'),
  list_too_long: entry('RESOURCE_EXHAUSTED', 'Ask for each by its name.'),
  wrong_task: entry('FAILED_PRECONDITION', 'Use the call that the message names, or another model.'),
  wrong_state: entry('FAILED_PRECONDITION', 'Look at the state of the job or model first.'),
  no_chat_template: entry('INVALID_ARGUMENT', 'Send a prompt instead of messages, or import the model with a chat template.'),
  context_too_long: entry('INVALID_ARGUMENT', 'Shorten the prompt or ask for fewer tokens.'),
  overloaded: entry('RESOURCE_EXHAUSTED', 'Wait as long as retryAfterMs says, then send the request again.'),
  message_too_large: entry('RESOURCE_EXHAUSTED', 'Send the data as a chunk stream.'),
  verification_failed: entry('ABORTED', 'Nothing was stored; the message says what the fresh process found. Run the job again.'),
  insufficient_memory: entry('RESOURCE_EXHAUSTED', 'Follow the message: less calibration, shorter or fewer sequences, or more memory.'),
  cache_too_small: entry('INVALID_ARGUMENT', 'Allow the cache more bytes, or train without it.'),
  diverged: entry('ABORTED', 'Lower the learning rate; the last good checkpoint was kept.'),
  gate_not_met: entry('ABORTED', 'Nothing was stored; compress less, train longer, or let the gate pass more.'),
  target_not_reached: entry('ABORTED', 'Nothing was stored; the message says what was reached. Ask for less, or give more trials.'),
  resume_mismatch: entry('FAILED_PRECONDITION', 'Resume with the same model, data and settings, or start anew.'),
  interrupted: entry('ABORTED', 'The server ended while the job ran; submit it again.'),
  cancelled: entry('CANCELLED', 'The operation was cancelled on request.'),
  deadline_exceeded: entry('DEADLINE_EXCEEDED', 'Allow more time or ask for less.'),
  unavailable: entry('UNAVAILABLE', 'The server is stopping; try again later.'),
  teacher_not_allowed: entry('FAILED_PRECONDITION', 'Have the server list that teacher, or name a model of its own store.'),
  teacher_unavailable: entry('UNAVAILABLE', 'Start the server that the message names, then retry the job: it goes on where it was.'),
  unsupported: entry('UNIMPLEMENTED', 'The message says what is supported instead.'),
  internal: entry('INTERNAL', 'This is a defect in athanor; please report it with the message.'),
} as const satisfies Readonly<Record<string, ErrorEntry>>;

export type ErrorCode = keyof typeof errorCatalogue;

/** Codes of failures of the device, not of what ran on it: work that was saved goes on from there. */
export const deviceFailures: ReadonlySet<string> = new Set<ErrorCode>(['out_of_memory', 'device_lost']);
