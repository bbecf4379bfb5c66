// Trace and log settings as this protocol shows them. They are the server's own and cannot be changed over it.
import { AppError } from '#base';
import type { LogSettingsResponse } from '../gen/inference/LogSettingsResponse.ts';
import type { TraceSettingResponse } from '../gen/inference/TraceSettingResponse.ts';

function refuseChange(settings: object): void {
  if (Object.keys(settings).length > 0)
    throw new AppError('unsupported', 'settings can be read here, not changed: they belong to how the server was started.');
}

/** Requests are not traced in Triton's own way. @throws AppError `unsupported` when a setting is to be changed */
export function traceSettings(changes: object): TraceSettingResponse {
  refuseChange(changes);
  const value = (...values: string[]): { value: string[] } => ({ value: values });
  return {
    settings: {
      trace_level: value('OFF'),
      trace_rate: value('0'),
      trace_count: value('0'),
      log_frequency: value('0'),
      trace_file: value(''),
    },
  };
}

/** What the server writes to its log. @throws AppError `unsupported` when a setting is to be changed */
export function logSettings(changes: object): LogSettingsResponse {
  refuseChange(changes);
  return {
    settings: {
      log_info: { boolParam: true },
      log_warning: { boolParam: true },
      log_error: { boolParam: true },
      log_verbose_level: { uint32Param: 0 },
      log_file: { stringParam: '' },
      log_format: { stringParam: 'default' },
    },
  };
}
