// A calibration that hands everything on, for tests that replace some of it.
import type { Calibration } from '#compress';

export function forwardCalibration(real: Calibration): Calibration {
  return {
    sampleWindows: () => real.sampleWindows(),
    windowValues: (...given) => real.windowValues(...given),
    inputMoments: (...given) => real.inputMoments(...given),
    inputMagnitudes: (...given) => real.inputMagnitudes(...given),
    gradientSquares: (...given) => real.gradientSquares(...given),
    outputMoments: (...given) => real.outputMoments(...given),
    tokenCounts: (...given) => real.tokenCounts(...given),
    lossProbe: (...given) => real.lossProbe(...given),
    inputRanges: (...given) => real.inputRanges(...given),
    inputHistograms: (...given) => real.inputHistograms(...given),
  };
}
