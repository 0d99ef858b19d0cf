/** One entry of a listing (specification: platform §5.3), without the system's part of `url`. */
export interface FileInfo {
  name: string;
  /** Relative to rootDir, no leading slash. */
  path: string;
  type: 'file' | 'dir' | 'symbolic_link' | 'other';
  size: number;
  owner: string;
  group: string;
  /** Like `rwxr-x---`. */
  nativePermissions: string;
  lastModified: string;
}
