package mantatest

// DirReads is how often a directory of the disk was read for its names.
func (s *Server) DirReads() int64 { return s.tree.names.reads.Load() }
