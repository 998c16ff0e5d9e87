$rounded
#endif
