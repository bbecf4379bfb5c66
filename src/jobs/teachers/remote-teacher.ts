// A teacher on another athanor server: what it says of its model, and its answers batch by batch.
import type { AnswerForm, TeacherAnswers, TeacherSource } from '#distill';
import type { ModelConfig } from '#models';
import type { TeacherQuestion } from '../inference.ts';

/** What another server says of its model. */
export interface RemoteModel {
  /** `name@version` */
  readonly reference: string;
  readonly hash: string;
  readonly tokenizerHash: string;
  readonly config: ModelConfig;
}

/** A connection that is made again by itself. Close it. */
export interface TeacherConnection {
  /** @throws AppError `teacher_unavailable` naming the server | `model_not_found` */
  describe(model: string): Promise<RemoteModel>;
  /**
   * Tries again while the server cannot be reached or is overloaded, for as long as the connection was told to.
   *
   * @throws AppError `teacher_unavailable` naming the server | `cancelled`, and what the server refuses
   */
  answers(request: RemoteQuestion, signal: AbortSignal): Promise<TeacherAnswers>;
  close(): void;
}

/** A question and whom it goes to. */
export interface RemoteQuestion extends TeacherQuestion {
  readonly model: string;
}

/** Opens connections to other servers; what speaks the protocol is above. @param target - `host:port` */
export type ConnectTeacher = (target: string) => TeacherConnection;

/** @param model - with its version, so that a run that goes on asks the same one */
export function remoteTeacher(
  connection: TeacherConnection,
  { reference, tokenizerHash }: RemoteModel,
  form: AnswerForm,
  temperature: number,
): TeacherSource {
  return {
    form,
    answers: (batch, signal) => connection.answers({ model: reference, tokenizerHash, batch, form, temperature }, signal),
  };
}
