/** The refusals of a blob binding, by the names of the catalogue. */
import { IsopodError, type StruckLimit } from "../../core/errors.ts";
import { BLOB_LIMITS } from "./limits.ts";

/** Not of the form that was expected. */
export function refused(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot use blobs: ${why}` });
}

/** Larger than a limit. */
export function tooLarge(what: string, limit: StruckLimit): IsopodError {
  return new IsopodError("value_too_large", { message: `Cannot put: ${what} than ${limit.value} bytes`, limit });
}

/** The call is over before what it asked for. */
export function ended(): IsopodError {
  return new IsopodError("binding_failed", { message: "Cannot use blobs: the call was ended" });
}

/** There is no such upload, or not any more. */
export function noUpload(): IsopodError {
  return new IsopodError("not_found", { message: "Cannot go on with the upload: there is none of this id and key" });
}

/** As many uploads are under way as a project may have. */
export function tooManyUploads(): IsopodError {
  const limit = { name: "uploadsMax", value: BLOB_LIMITS.uploadsMax };
  const message = `Cannot begin an upload: ${limit.value} of the project are under way, and none is completed`;
  return new IsopodError("quota_exceeded", { message, limit });
}

/** The bytes are not those that were promised. */
export function mismatch(algorithm: string): IsopodError {
  return new IsopodError("integrity_mismatch", {
    message: `Cannot put: the bytes do not have the ${algorithm} that was given`,
  });
}

/** The project keeps as much as it may. */
export function overQuota(wanted: number, value: number): IsopodError {
  return new IsopodError("quota_exceeded", {
    message: `Cannot put: the project may keep ${value} bytes in blobs (blobBytesMax), and this would make it ${wanted}`,
    limit: { name: "blobBytesMax", value },
  });
}
