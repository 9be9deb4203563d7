package mantatest

// DirReads returns the number of times that a directory was read from the disk.
func (s *Server) DirReads() int64 { return s.tree.names.reads.Load() }
