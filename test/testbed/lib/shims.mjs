export const shimFiles = () => ({});
