import type { ViewKind, ViewOf } from './view-kind.ts';

export const table: ViewKind<ViewOf<'table'>> = {
  table: (view) => ({ columns: view.columns, rows: view.rows }),
};
