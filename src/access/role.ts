// Who calls, and what each role may do.
import { AppError } from '#base';

/** Each may do what those before it may. */
export const roles = ['read', 'infer', 'train', 'admin'] as const;

/**
 * `read`: see models and jobs; `infer`: also ask models; `train`: also start jobs, bring models in and manage its own jobs;
 * `admin`: also unload and delete models and manage the jobs of others.
 */
export type Role = (typeof roles)[number];

export interface Principal {
  readonly name: string;
  readonly role: Role;
  /** Calls in a minute; absent for no limit. */
  readonly callsPerMinute?: number | undefined;
  /** Calls at a time; absent for no limit. */
  readonly callsAtOnce?: number | undefined;
}

/** What a call needs: a role, or nothing at all. */
export type Need = Role | 'open';

export function mayAct(principal: Principal, need: Role): boolean {
  return roles.indexOf(principal.role) >= roles.indexOf(need);
}

/** @throws AppError `permission_denied` */
export function requireRole(principal: Principal, need: Role, what: string): void {
  if (mayAct(principal, need)) return;
  throw new AppError('permission_denied', `${what}: needs the role ${need}; "${principal.name}" has ${principal.role}.`, {
    details: { need, role: principal.role },
  });
}
