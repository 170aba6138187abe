/** What programs that are handed events are given of a request. */

/** What a program is given of a request. */
export const EVENT_FORMS = ["http", "json", "cloudevent"] as const;

/** What a program is given of a request. */
export type EventForm = (typeof EVENT_FORMS)[number];
