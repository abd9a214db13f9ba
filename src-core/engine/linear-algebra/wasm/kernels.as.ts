export { bidiagonalise } from './bidiagonal.as';
export { factorPanel } from './panel.as';
export { tridiagonalise } from './tridiagonal.as';
