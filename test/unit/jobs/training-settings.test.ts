// Settings of a training as requests write them: what reaches the trainer.
import { describe, expect, it } from 'vitest';
import { fullTrainingSettings } from '../../../src/jobs/training-settings.ts';

const learner = { positions: 64, hasTeacher: true };

describe('settings of a training', () => {
  it('leave the precision to the device unless they name one', () => {
    expect(fullTrainingSettings({}, learner).precision).toBe('auto');
    expect(fullTrainingSettings({ precision: 'bfloat16' }, learner).precision).toBe('bfloat16');
    expect(fullTrainingSettings({ precision: 'float16' }, { ...learner, hasTeacher: false, classifies: true }).precision).toBe('float16');
  });
});
