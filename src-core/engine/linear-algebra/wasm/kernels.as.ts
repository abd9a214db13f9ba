export { bidiagonalise } from './bidiagonal.as';
export { tridiagonalise } from './tridiagonal.as';
