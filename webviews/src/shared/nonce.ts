// The control library adds one style element and takes its nonce from this meta tag. A script's
// nonce is readable only while it runs, so this module comes before the library.
const nonce = document.currentScript?.nonce;
if (nonce && !document.querySelector('meta[property="csp-nonce"]')) {
  const meta = document.createElement('meta');
  meta.setAttribute('property', 'csp-nonce');
  meta.content = nonce;
  document.head.append(meta);
}

export {};
