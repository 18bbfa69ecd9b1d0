// Address of pictures and recordings: a signed link, since an <img> or <video> cannot send a token.

import { request } from "../api.js";

const FRESH_MS = 3600_000; // well below the link's hours

let link = null;
let fetchedAt = 0;

/** Fetch a link if there is none, or it is old; call it before `mediaUrl`. */
export async function refreshLink() {
  if (link !== null && Date.now() - fetchedAt < FRESH_MS) return;
  link = (await request("POST", "api/camera-link")).href;
  fetchedAt = Date.now();
}

/** An image that failed: the service was restarted, and its links with it. */
export function forgetLink() {
  link = null;
}

export const pictureUrl = ({ name, picture_at: at }) => `${link}pictures/${encodeURIComponent(name)}?at=${at}`;
export const eventUrl = (id, what) => `${link}events/${encodeURIComponent(id)}/${what}`;
