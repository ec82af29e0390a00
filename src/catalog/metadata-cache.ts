export interface MetadataCache {
  readonly sizeBytes: number
}
