// linalg: dense host numerics in float64 on flat row-major arrays; long ones are cooperative.
export { type Assignment, linearAssignment } from './assignment.ts';
export { cholesky, invertLower, solveLower, solveLowerTransposed } from './cholesky.ts';
export { runAtOnce, runCooperatively, type Steps } from './cooperative.ts';
export { householderQr, type QrFactors } from './householder-qr.ts';
export { jacobiSvd, type Svd } from './jacobi-svd.ts';
export { multiply } from './multiply.ts';
export { type SymmetricEigen, symmetricEigen, symmetricEigenvalues } from './symmetric-eigen.ts';
