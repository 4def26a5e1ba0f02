(() => {
  const text = (value, most) => (typeof value === 'string' && value.trim()) ? value.trim().slice(0, most) : undefined;
  const link = (value) => { try { const url = new URL(value, document.baseURI); return /^https?:$/.test(url.protocol) ? text(url.href, 2048) : undefined; } catch { return undefined; } };
  const all = (selector, most) => Array.from(document.querySelectorAll(selector)).slice(0, most);
  const metas = all('meta[content]', 500);
  const meta = (name) => { const found = metas.find((one) => (one.getAttribute('name') || '').toLowerCase() === name); return found && text(found.getAttribute('content'), 2000); };
  const group = (prefix) => {
    const found = {};
    for (const one of metas) {
      const name = (one.getAttribute('property') || one.getAttribute('name') || '').toLowerCase();
      if (name.startsWith(prefix) && /^[a-z0-9:_.-]{1,64}$/.test(name)) {
        const key = name.slice(prefix.length);
        const value = text(one.getAttribute('content'), 2000);
        if (key && value !== undefined && !(key in found)) found[key] = value;
      }
    }
    return found;
  };
  const links = (selector, most) => [...new Set(all(selector, most * 4).map((one) => link(one.getAttribute('href'))).filter(Boolean))].slice(0, most);
  const images = [];
  for (const one of all('img', 400)) {
    const url = link(one.currentSrc || one.getAttribute('src'));
    if (url && images.length < 50 && !images.some((known) => known.url === url)) {
      images.push({ url, width: one.naturalWidth, height: one.naturalHeight, alt: text(one.getAttribute('alt'), 300) });
    }
  }
  const oembed = all('link[href][type="application/json+oembed"], link[href][type="text/xml+oembed"]', 8)
    .map((one) => ({ type: one.getAttribute('type'), href: link(one.getAttribute('href')), title: text(one.getAttribute('title'), 300) }))
    .filter((one) => one.href);
  return {
    title: text(document.title, 1000), description: meta('description'), author: meta('author'),
    keywords: meta('keywords'), language: text(document.documentElement.lang, 40),
    canonical: links('link[rel="canonical"]', 1)[0], icons: links('link[rel~="icon"], link[rel="apple-touch-icon"]', 10),
    feeds: links('link[type="application/rss+xml"], link[type="application/atom+xml"]', 10),
    images, open_graph: group('og:'), twitter: group('twitter:'), oembed,
  };
})()
