package mantatest

// DirReads returns how often a directory was read from the disk.
func (s *Server) DirReads() int64 { return s.tree.names.reads.Load() }
