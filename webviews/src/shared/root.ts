/** Where the page is drawn: the host's `#root`, made where the host left the body empty. */
export function root(): HTMLElement {
  const given = document.getElementById('root');
  if (given) return given;
  const made = document.createElement('main');
  made.id = 'root';
  document.body.append(made);
  return made;
}
