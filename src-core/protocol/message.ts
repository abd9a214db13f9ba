/** A request's method with the types of its parameters and answer tied to it. */
export interface RequestSpec<Params, Answer> {
  readonly method: string;
  /** Types only; never present. */
  readonly types?: [Params, Answer];
}

export interface NotificationSpec<Params> {
  readonly method: string;
  readonly types?: [Params];
}

export const request = <Params, Answer>(method: string): RequestSpec<Params, Answer> => ({
  method,
});
export const notification = <Params>(method: string): NotificationSpec<Params> => ({ method });
