/** Names and encodings of metadata files, as the reference implementation has them. */
export type MetadataCodec = 'none' | 'gzip'
/** `00003-<uuid>.metadata.json` or `00003-<uuid>.gz.metadata.json` */
export declare function metadataFileName(version: number, uuid: string, codec: MetadataCodec): string
/** One more than the version in the name of the previous file; 0 without one, or where its name has none. */
export declare function nextVersion(previousLocation: string | undefined): number
/** Without a slash at its end. */
export declare function metadataDirectory(metadata: { readonly location: string; readonly properties?: Readonly<Record<string, string>> }): string
export declare function compressionCodec(properties: Readonly<Record<string, string>>): MetadataCodec
export declare function encodeMetadataFile(json: string, codec: MetadataCodec): Uint8Array
export declare function decodeMetadataFile(location: string, bytes: Uint8Array, limits: { readonly maxInflatedBytes: number }): Uint8Array
