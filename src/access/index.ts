// access: who may call, what they may do, how often, and the record of it.
export { AccessGuard, type AccessGuardOptions, type Admission, type Credentials, mayManage } from './access-guard.ts';
export { AuditLog } from './audit-log.ts';
export { needOfCall } from './permissions.ts';
export { newToken, PrincipalsFile } from './principals.ts';
export { type Principal, type Role, roles } from './role.ts';
export { SignedTokens } from './signed-tokens.ts';
