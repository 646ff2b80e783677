"""What nodes share, in Redis 7 or later, or Valkey: alone, behind Sentinel, or as a cluster.

Every key begins with a prefix and the version of its layout, and expires when nobody owns it any more. Only this
package knows commands, keys and the client library, whose exceptions end here as StoreUnavailable.
"""
