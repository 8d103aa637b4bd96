/** A moment on the local clock: `12:03:05`, with the date in front of it on any other day than today. */
export function clockTime(timeMs: number, nowMs: number): string {
  const moment = new Date(timeMs);
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(":");
  return moment.toDateString() === new Date(nowMs).toDateString()
    ? time
    : `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${time}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
